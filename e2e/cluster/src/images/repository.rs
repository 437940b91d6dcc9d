//! Where in a registry images are pushed, and pulled from.

use std::convert::Infallible;
use std::str::FromStr;

/// A repository: host, port if it is not the usual one, and path; `http://` before it means a registry without TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// What image references begin with.
    pub name: String,
    /// Whether its registry speaks HTTP without TLS.
    pub plain: bool,
}

impl FromStr for Repository {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let (plain, name) = match text.strip_prefix("http://") {
            Some(name) => (true, name),
            None => (false, text.strip_prefix("https://").unwrap_or(text)),
        };
        Ok(Self { name: name.trim_end_matches('/').to_owned(), plain })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_says_whether_there_is_tls_and_is_no_part_of_the_name() {
        let parsed = |text: &str| text.parse().map(|Repository { name, plain }| (name, plain));
        assert_eq!(parsed("registry.example/videocloud/"), Ok(("registry.example/videocloud".to_owned(), false)));
        assert_eq!(parsed("https://registry.example/a"), Ok(("registry.example/a".to_owned(), false)));
        assert_eq!(parsed("http://127.0.0.1:5000/a"), Ok(("127.0.0.1:5000/a".to_owned(), true)));
    }
}
