//! Reads what a download needs of its owner's namespace. The operator may do so only where a RoleBinding lets it, which is how a
//! namespace opts in.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};

use crate::{
    apiserver::ApiError,
    controllers::World,
    jobs::{Inputs, Needed, Origin, Unavailable},
};

/// Reads everything `needed` from `namespace`. The inner error is the owner's to put right.
///
/// # Errors
/// [`ApiError`].
pub(super) async fn gather(
    world: &World,
    namespace: &str,
    needed: &[Needed],
) -> Result<Result<Inputs, Unavailable>, ApiError> {
    let mut inputs = Inputs::default();
    for one in needed {
        let (_, name) = one.object();
        let added = match &one.origin {
            Origin::Credentials { .. } | Origin::Secret { .. } => {
                match world.api.read::<Secret>(namespace, name).await {
                    Ok(Some(secret)) => inputs.add_secret(one, &secret),
                    Ok(None) => Err(one.missing()),
                    Err(error) if error.code() == Some(403) => Err(one.forbidden()),
                    Err(error) => return Err(error),
                }
            }
            Origin::ConfigMap { .. } => match world.api.read::<ConfigMap>(namespace, name).await {
                Ok(Some(map)) => inputs.add_config_map(one, &map),
                Ok(None) => Err(one.missing()),
                Err(error) if error.code() == Some(403) => Err(one.forbidden()),
                Err(error) => return Err(error),
            },
        };
        if let Err(unavailable) = added {
            return Ok(Err(unavailable));
        }
    }
    Ok(Ok(inputs))
}
