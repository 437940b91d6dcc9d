//! Credentials of a source, from the files of a mounted Secret. None of them is ever logged.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use videocloud_protocol::failure::{Failure, FailureClass, reason};

use crate::source::Proxy;
use crate::source::ftp::Login;

/// Largest file that is read, bytes.
const LARGEST: u64 = 64 << 10;

/// Adds what the files in `folder` say to `headers`: `username` and `password`, `cookie`, `headers` (one `Name: value` a line).
/// Returns the `proxy`, if one is named.
pub(super) fn read(folder: &Path, headers: &mut HeaderMap) -> Result<Option<Proxy>, Failure> {
    let proxy = file(folder, "proxy")?.map(|text| text.parse().map_err(|_| bad("proxy names no proxy"))).transpose()?;
    if let Some(user) = file(folder, "username")? {
        let password = file(folder, "password")?.unwrap_or_default();
        let pair = BASE64.encode(format!("{}:{}", user.trim_end(), password.trim_end()));
        headers.insert(AUTHORIZATION, secret(&format!("Basic {pair}"), "username and password")?);
    }
    if let Some(cookie) = file(folder, "cookie")? {
        headers.insert(COOKIE, secret(cookie.trim(), "cookie")?);
    }
    for line in file(folder, "headers")?.unwrap_or_default().lines().filter(|line| !line.trim().is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| bad("a line of headers has no colon"))?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| bad("a line of headers has no valid name"))?;
        headers.insert(name, secret(value.trim(), "a line of headers")?);
    }
    Ok(proxy)
}

/// Who logs in where no headers are sent: the user of `headers`, else nobody in particular.
pub(super) fn login(headers: &HeaderMap) -> Result<Login, Failure> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(Login::default()) };
    let pair = value.to_str().ok().and_then(|text| text.strip_prefix("Basic "));
    let pair = pair.and_then(|pair| BASE64.decode(pair).ok()).and_then(|pair| String::from_utf8(pair).ok());
    let pair = pair.ok_or_else(|| bad("only a user name and a password are of use for ftp"))?;
    let (user, password) = pair.split_once(':').unwrap_or((&pair, ""));
    Login::new(user, password).map_err(bad)
}

fn file(folder: &Path, name: &str) -> Result<Option<String>, Failure> {
    let path = folder.join(name);
    match std::fs::metadata(&path) {
        Ok(found) if found.len() > LARGEST => return Err(bad(&format!("{name} is larger than 64 KiB"))),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(bad(&format!("{name} cannot be read: {error}"))),
    }
    std::fs::read_to_string(path).map(Some).map_err(|error| bad(&format!("{name} cannot be read: {error}")))
}

fn secret(text: &str, what: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::try_from(text).map_err(|_| bad(&format!("{what} cannot be sent in a header")))?;
    value.set_sensitive(true);
    Ok(value)
}

fn bad(detail: &str) -> Failure {
    let message = format!("failed to use the credentials of a source: {detail}; correct its Secret");
    Failure::new(FailureClass::BadSpec, reason::BAD_SPEC, message)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_become_headers() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("username", "Aladdin\n");
        write("password", "open sesame");
        write("cookie", "a=b");
        write("headers", "X-Key: 1\n\nX-Other:2\n");
        let mut headers = HeaderMap::new();
        read(folder.path(), &mut headers).unwrap();
        // RFC 7617, section 2.
        assert_eq!(headers[AUTHORIZATION], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(
            (&headers[COOKIE], &headers["x-key"], &headers["x-other"]),
            (&"a=b".parse().unwrap(), &"1".parse().unwrap(), &"2".parse().unwrap())
        );
        write("headers", "no colon");
        assert!(read(folder.path(), &mut headers).is_err());
    }
}
