//! The six CustomResourceDefinitions as they are installed: what the derives produce, made smaller
//! and stricter. The generator writes exactly these to `generated/`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use crate::{BandwidthPool, ContentSource, TranscodeJob, TranscodeProfile, UploadCluster, VideoObject};

/// API group of every kind.
pub const GROUP: &str = "videocloud.dev";
/// The only version served and stored.
pub const VERSION: &str = "v1alpha1";
/// Category of every kind: `kubectl get videocloud -A`.
pub const CATEGORY: &str = "videocloud";

/// Returns the definitions of all six kinds, ordered by kind.
#[must_use]
pub fn definitions() -> Vec<CustomResourceDefinition> {
    let mut all = vec![
        BandwidthPool::crd(),
        ContentSource::crd(),
        TranscodeJob::crd(),
        TranscodeProfile::crd(),
        UploadCluster::crd(),
        VideoObject::crd(),
    ];
    for definition in &mut all {
        for version in &mut definition.spec.versions {
            if let Some(schema) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) {
                refuse_null(schema);
            }
        }
    }
    all
}

/// File a definition is generated into, for example `videoobjects.yaml`.
#[must_use]
pub fn file_name(definition: &CustomResourceDefinition) -> String {
    format!("{}.yaml", definition.spec.names.plural)
}

/// Drops `nullable` everywhere: the API server then removes an explicit `null` before defaulting, so
/// `digest: null` means the same as no digest, in rules (`has()`) as well as in defaults.
fn refuse_null(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    for property in schema.properties.iter_mut().flatten() {
        refuse_null(property.1);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = schema.items.as_mut() {
        refuse_null(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = schema.additional_properties.as_mut() {
        refuse_null(values);
    }
}
