//! Who calls, and what they may: bearer tokens checked in constant time, one rule per operation.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use videocloud_protocol::{
    ids::TaskId,
    token::{Grant, TokenKey},
};

use super::{FailureLimiter, Peer, Problem, api::Guard};

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone, without a token.
    Anyone,
    /// The operator.
    Operator,
    /// A worker, on its own task.
    Worker,
    /// An uploader or the operator.
    Uploader,
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The operator.
    Operator,
    /// A worker with the token of this task.
    Worker(TaskId),
    /// An uploader.
    Uploader,
    /// Somebody, of a tracker that does not ask (`--insecure-no-auth`).
    Trusted,
}

impl Caller {
    fn may(&self, access: Access) -> bool {
        match access {
            Access::Anyone => true,
            Access::Operator => matches!(self, Self::Operator | Self::Trusted),
            Access::Worker => matches!(self, Self::Worker(_) | Self::Trusted),
            Access::Uploader => matches!(self, Self::Uploader | Self::Operator | Self::Trusted),
        }
    }

    /// Whether the caller may report on `task`.
    #[must_use]
    pub fn may_report(&self, task: &TaskId) -> bool {
        match self {
            Self::Trusted => true,
            Self::Worker(own) => own.covers(task),
            Self::Operator | Self::Uploader => false,
        }
    }
}

/// The uploaders' token cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("failed to read uploader token {path}: {detail}")]
pub struct GateError {
    path: String,
    detail: String,
}

/// Tells callers apart.
#[derive(Debug)]
pub struct Gate {
    tokens: Option<TokenKey>,
    uploader: Option<[u8; 32]>,
    failures: Mutex<FailureLimiter>,
}

impl Gate {
    /// A gate for tokens of `tokens` (`None`: everybody is trusted) and the uploaders' token in `uploader_file`.
    ///
    /// # Errors
    /// [`GateError`] when the file cannot be read or is too short to be a secret.
    pub fn new(tokens: Option<TokenKey>, uploader_file: Option<&Path>) -> Result<Self, GateError> {
        let read = |path: &Path| -> Result<[u8; 32], GateError> {
            let failed = |detail: String| GateError { path: path.display().to_string(), detail };
            let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
            let token = bytes.trim_ascii();
            if token.len() < TokenKey::MIN_LEN {
                return Err(failed(format!("shorter than {} bytes", TokenKey::MIN_LEN)));
            }
            Ok(Sha256::digest(token).into())
        };
        Ok(Self { tokens, uploader: uploader_file.map(read).transpose()?, failures: Mutex::default() })
    }

    /// A gate that trusts everybody.
    #[must_use]
    pub fn open() -> Self {
        Self { tokens: None, uploader: None, failures: Mutex::default() }
    }

    fn caller(&self, token: &str) -> Option<Caller> {
        // Hashed first, so that equal length tells nothing and the comparison takes equal time.
        let hashed: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if self.uploader.is_some_and(|uploader| bool::from(uploader.ct_eq(&hashed))) {
            return Some(Caller::Uploader);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::MAX);
        match self.tokens.as_ref()?.verify(token, now).ok()? {
            Grant::Operator => Some(Caller::Operator),
            Grant::Task(task) => Some(Caller::Worker(task)),
        }
    }

    fn admit(&self, request: &Request, access: Access) -> Result<Caller, Problem> {
        if self.tokens.is_none() || access == Access::Anyone {
            return Ok(Caller::Trusted);
        }
        let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer "));
        let Some(caller) = token.and_then(|token| self.caller(token.trim())) else {
            return Err(self.refuse(request));
        };
        if caller.may(access) {
            Ok(caller)
        } else {
            Err(Problem::new(StatusCode::FORBIDDEN, "this token does not allow this call"))
        }
    }

    /// The answer to a request without a valid token. Valid ones pass whatever their address did: a neighbour behind the same
    /// translated address must not be able to lock the operator out.
    fn refuse(&self, request: &Request) -> Problem {
        let address = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0);
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if failures.is_blocked(address, now) {
            let message = "too many requests without a valid token from this address";
            return Problem::new(StatusCode::TOO_MANY_REQUESTS, message);
        }
        failures.failed(address, now);
        Problem::new(StatusCode::UNAUTHORIZED, "a valid bearer token is needed")
    }
}

/// Lets a request through to its operation, with its [`Caller`], and counts the answer.
pub(super) async fn guard(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let response = match guard.gate.admit(&request, guard.access) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            // Long polls bring their own end.
            match tokio::time::timeout(guard.timeout, next.run(request)).await {
                Ok(response) => response,
                Err(_) => Problem::new(StatusCode::REQUEST_TIMEOUT, "the request took too long").into_response(),
            }
        }
        Err(problem) => problem.into_response(),
    };
    guard.metrics.answered(guard.method, guard.path, response.status(), begun.elapsed());
    response
}
