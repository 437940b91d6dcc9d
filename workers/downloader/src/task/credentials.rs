//! Credentials of a source, from the files of a mounted Secret. None of them is ever logged.

use std::path::Path;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use videocloud_protocol::failure::{Failure, FailureClass, reason};

use crate::source::ftp::Login;

/// Largest file that is read, bytes.
const LARGEST: u64 = 64 << 10;

/// Adds what the files in `folder` say to `headers`: `username` and `password`, `cookie`, `headers` (one `Name: value` a line).
pub(super) fn read(folder: &Path, headers: &mut HeaderMap) -> Result<(), Failure> {
    if file(folder, "proxy")?.is_some() {
        return Err(bad("a proxy is named, which this version does not use"));
    }
    if let Some(user) = file(folder, "username")? {
        let password = file(folder, "password")?.unwrap_or_default();
        let pair = base64(format!("{}:{}", user.trim_end(), password.trim_end()).as_bytes());
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
    Ok(())
}

/// The user and password in `folder`, for protocols that log in.
pub(super) fn login(folder: &Path) -> Result<Option<Login>, Failure> {
    let Some(user) = file(folder, "username")? else { return Ok(None) };
    let password = file(folder, "password")?.unwrap_or_default();
    Login::new(user.trim_end(), password.trim_end_matches(['\r', '\n'])).map(Some).map_err(bad)
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

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit) & 63) as usize;
            text.push(if digit <= group.len() { char::from(DIGITS[index]) } else { '=' });
        }
    }
    text
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
