//! JSON bodies: bounded, parsed, checked, with errors in the tracker's form.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use serde::de::DeserializeOwned;

use super::{Bounded, Problem};

/// A request body that was read within its limit and is within its bounds.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + Bounded, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            let status = rejection.status();
            let what =
                if status == StatusCode::PAYLOAD_TOO_LARGE { "larger than this call allows" } else { "cut short" };
            Problem::new(status, format!("the body is {what}"))
        })?;
        let value: T = serde_json::from_slice(&bytes)
            .map_err(|error| Problem::bad_request(format!("the body is not what this call takes: {error}")))?;
        value.check().map_err(Problem::bad_request)?;
        Ok(Self(value))
    }
}
