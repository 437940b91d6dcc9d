//! `--check`: asks addresses of a system once and tells which do not answer. It is what `helm test` runs inside the cluster,
//! where name resolution and network policies have their say and the image holds no other client.

use std::time::Duration;

use reqwest::{Client, redirect::Policy};
use url::Url;

/// How long one address may take.
const WITHIN: Duration = Duration::from_secs(10);

/// Asks each address with GET; one that does not answer 2xx in time is told on standard error. `true` when all do.
///
/// # Errors
/// The client cannot be made.
pub async fn check(addresses: &[Url]) -> Result<bool, reqwest::Error> {
    // A proxy of the environment would answer for addresses it cannot reach.
    let client = Client::builder().timeout(WITHIN).redirect(Policy::none()).no_proxy().build()?;
    let mut all = true;
    for address in addresses {
        match client.get(address.clone()).send().await {
            Ok(answer) if answer.status().is_success() => eprintln!("{address}: {}", answer.status()),
            Ok(answer) => {
                all = false;
                eprintln!("failed to check {address}: it answered {}", answer.status());
            }
            Err(error) => {
                all = false;
                let mut reasons = vec![error.to_string()];
                let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
                while let Some(reason) = cause {
                    reasons.push(reason.to_string());
                    cause = reason.source();
                }
                eprintln!("failed to check {address}: {}", reasons.join(": "));
            }
        }
    }
    Ok(all)
}
