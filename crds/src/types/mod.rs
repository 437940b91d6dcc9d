//! Building blocks shared by several kinds: bounded texts and numbers that carry their own schema,
//! references, label selectors and the schema of a condition list.

mod condition;
mod digest;
mod duration;
mod link;
mod name;
mod quantity;
mod reference;
mod selector;
mod text;

pub use condition::condition_list;
pub use digest::Digest;
pub use duration::{DurationError, DurationText};
pub use link::{BaseUrl, SourceUrl};
pub use name::{LabelName, ObjectName};
pub use quantity::{Bits, BitsPerSecond, Bytes, BytesPerSecond};
pub use reference::{LocalObjectRef, SecretRef};
pub use selector::{LabelExpression, LabelOperator, NamespaceSelector};
