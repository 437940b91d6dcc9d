//! Names of Kubernetes objects and of list entries.

use super::text::text_type;

text_type! {
    /// Name of a Kubernetes object: an RFC 1123 subdomain of at most 253 characters.
    ObjectName, 1..=253, "Name of a Kubernetes object.", [
        "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')" =>
            "must be the name of an object: lower-case letters, digits, '-' and '.', starting and ending with a letter or digit",
    ]
}

text_type! {
    /// Name of a list entry: an RFC 1123 label of at most 63 characters.
    LabelName, 1..=63, "Name that is unique within its list.", [
        "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')" =>
            "must be lower-case letters, digits and '-', starting and ending with a letter or digit",
    ]
}
