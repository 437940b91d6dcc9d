//! One link, and what is needed to fetch from it.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::types::{LabelName, ObjectName, SecretRef, SourceUrl};

/// A link to the content, or a document that says where it is.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.url) != has(self.document)", "give exactly one of url and document"),
    validation = ("!has(self.credentialsSecretRef) || (has(self.url) && self.url.matches('(?i)^(https?|ftps?)://'))", "credentialsSecretRef is for http, https, ftp and ftps links only"),
    validation = ("!has(self.headers) || self.headers.size() == 0 || (has(self.url) && self.url.matches('(?i)^https?://'))", "headers are for http and https links only"),
)]
pub struct Source {
    /// Name of this source, unique in the list.
    pub name: LabelName,
    /// The link; or give `document`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<SourceUrl>,
    /// A .torrent or Metalink file kept in this namespace, in place of a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Document>,
    /// File to take when the link leads to several (torrent, Metalink): its path. Without it, the largest video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = ("!self.startsWith('/') && !self.matches('(^|/)[.][.]?(/|$)')", "select must be the relative path of a file, without '.' or '..'"))]
    #[schemars(length(min = 1, max = 1024))]
    pub select: Option<String>,
    /// Secret in this namespace with `username` and `password`, `cookie`, `headers` (one `Name: value` a line) or `proxy`
    /// (`http://host:port` or `socks5://host:port`). The operator reads it where a RoleBinding lets it. Content fetched with
    /// credentials stays private to its namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<SecretRef>,
    /// Further request headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 16))]
    pub headers: Vec<Header>,
    /// Sources with a higher number are tried first.
    #[serde(default = "default_priority")]
    #[schemars(range(min = 0, max = 1000))]
    pub priority: i32,
}

/// A key of an object in this namespace that holds a .torrent, .meta4 or .metalink file of at most 512 KiB. The operator reads
/// it where a RoleBinding lets it.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.configMapKeyRef) != has(self.secretKeyRef)", "give exactly one of configMapKeyRef and secretKeyRef"))]
pub struct Document {
    /// Key of a ConfigMap; binary files are below `binaryData`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyRef>,
    /// Key of a Secret. What a secret document leads to stays private to its namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,
}

/// A key of an object in the same namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyRef {
    /// Name of the object.
    pub name: ObjectName,
    /// Key within it.
    #[x_kube(validation = ("self.matches('^[-._a-zA-Z0-9]+$')", "key must be letters, digits, '-', '_' and '.'"))]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// A request header that is not secret.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Header name.
    #[x_kube(
        validation = ("self.matches('^[A-Za-z0-9-]+$')", "header name must be letters, digits and '-'"),
        validation = ("!(self.lowerAscii() in ['authorization', 'proxy-authorization', 'cookie'])", "Authorization, Proxy-Authorization and Cookie are secrets: put them into a Secret and name it in credentialsSecretRef"),
        validation = ("!(self.lowerAscii() in ['host', 'range', 'if-range', 'content-length', 'transfer-encoding', 'connection', 'accept-encoding', 'te', 'upgrade'])", "this header is set by the downloader itself"),
    )]
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Header value.
    #[x_kube(validation = ("!self.matches('[\\\\x00-\\\\x08\\\\x0a-\\\\x1f\\\\x7f]')", "header value must not contain control characters"))]
    #[schemars(length(max = 1024))]
    pub value: String,
}

/// The middle, so that a source can be put before or after the others.
fn default_priority() -> i32 {
    100
}
