//! Bounded whole numbers of bytes and bits. Signed, because the API server warns about unsigned
//! formats; never negative, because the schema says so.

/// Defines a newtype over `i64` whose schema carries its bounds.
macro_rules! quantity_type {
    ($(#[$doc:meta])* $name:ident, $min:literal..=$max:literal, $description:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $name {
            /// Largest value the API server accepts.
            pub const MAX: i64 = $max;

            /// The number, with anything below zero read as zero.
            #[must_use]
            pub fn get(self) -> u64 {
                u64::try_from(self.0).unwrap_or(0)
            }

            /// The nearest representable quantity.
            #[must_use]
            pub fn saturating(value: u64) -> Self {
                Self(i64::try_from(value).unwrap_or(i64::MAX).min(Self::MAX))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
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
                let (minimum, maximum): (i64, i64) = ($min, $max);
                schemars::json_schema!({
                    "type": "integer",
                    "format": "int64",
                    "description": $description,
                    "minimum": minimum,
                    "maximum": maximum,
                })
            }
        }
    };
}

quantity_type! {
    /// A number of bytes, at most 1 PB.
    Bytes, 0..=1_000_000_000_000_000, "Number of bytes."
}

quantity_type! {
    /// A rate in bytes per second, at most 1 TB/s.
    BytesPerSecond, 0..=1_000_000_000_000, "Rate in bytes per second."
}

quantity_type! {
    /// A number of bits, at most 1 Gbit; encoder buffers.
    Bits, 0..=1_000_000_000, "Number of bits."
}

quantity_type! {
    /// A rate in bits per second, at most 1 Gbit/s; encoded media.
    BitsPerSecond, 0..=1_000_000_000, "Rate in bits per second."
}
