//! The macro behind every bounded text: a newtype over `String` whose schema carries the length bound
//! and the rules, in words, that the API server enforces.

/// Defines a newtype over `String` with length bounds in bytes and `rule => message` pairs in CEL.
/// Rules with a message are used in place of `pattern`, whose refusals show a regular expression.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $min:literal..=$max:literal, $description:literal, [$($rule:literal => $message:literal),* $(,)?]) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Longest text the API server accepts, in bytes of UTF-8.
            pub const MAX_LENGTH: usize = $max;

            /// The text as it was written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let rules: Vec<serde_json::Value> = vec![
                    $(serde_json::json!({ "rule": $rule, "message": $message })),*
                ];
                let mut schema = schemars::json_schema!({
                    "type": "string",
                    "description": $description,
                    "minLength": $min,
                    "maxLength": $max,
                });
                if !rules.is_empty() {
                    schema.insert("x-kubernetes-validations".into(), rules.into());
                }
                schema
            }
        }
    };
}

pub(crate) use text_type;
