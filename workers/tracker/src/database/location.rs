//! Where the database is: parsed once, shown without secrets.

use std::{fmt, path::PathBuf, str::FromStr};

use url::Url;

/// A text that names no database this build can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "failed to read database URL: expected sqlite://FILE, sqlite:///ABSOLUTE/FILE or postgres://USER@HOST/DATABASE"
)]
pub struct InvalidLocation;

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseLocation {
    /// A SQLite file, created if absent.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A PostgreSQL database, which must exist.
    Postgres {
        /// As given; may hold a password.
        url: Url,
    },
}

impl DatabaseLocation {
    /// The URL the driver opens. May hold a password.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Sqlite { path } => format!("sqlite://{}?mode=rwc", path.display()),
            Self::Postgres { url } => url.to_string(),
        }
    }
}

impl FromStr for DatabaseLocation {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        if let Some(path) = text.strip_prefix("sqlite://") {
            let plain = !path.is_empty() && !path.contains(['?', '#', '%']) && !path.starts_with(':');
            return plain.then(|| Self::Sqlite { path: PathBuf::from(path) }).ok_or(InvalidLocation);
        }
        let url = Url::parse(text).map_err(|_| InvalidLocation)?;
        match url.scheme() {
            "postgres" | "postgresql" => Ok(Self::Postgres { url }),
            _ => Err(InvalidLocation),
        }
    }
}

impl fmt::Display for DatabaseLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(f, "sqlite://{}", path.display()),
            Self::Postgres { url } => write!(f, "postgres://{}{}", url.host_str().unwrap_or_default(), url.path()),
        }
    }
}

impl fmt::Debug for DatabaseLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseLocation({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() -> Result<(), InvalidLocation> {
        let location: DatabaseLocation = "postgres://me:s3cret@db.example/videocloud?sslmode=require".parse()?;
        assert_eq!(location.to_string(), "postgres://db.example/videocloud");
        assert_eq!("sqlite:///a/b.db".parse::<DatabaseLocation>()?.to_string(), "sqlite:///a/b.db");
        for bad in ["", "sqlite:", "sqlite://", "sqlite://:memory:", "mysql://h/d", "videocloud.db"] {
            assert_eq!(bad.parse::<DatabaseLocation>(), Err(InvalidLocation), "{bad}");
        }
        Ok(())
    }
}
