//! What all schemas share: the header, fixed blocks of little-endian integers, templates.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Opens every message.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct MessageHeader {
    /// Bytes of the block that follows; a multiple of 8.
    pub block_length: u16,
    /// Which message: a number of the schema's `Template`.
    pub template_id: u16,
    /// Which schema.
    pub schema_id: u16,
    /// The sender's version of the schema.
    pub version: u16,
}

impl MessageHeader {
    /// Bytes of a header.
    pub const BYTES: usize = size_of::<Self>();
}

/// Where a field stands in its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name here; the schema says the same in camel case.
    pub name: &'static str,
    /// Bytes from the start of the block.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
}

/// The fields of a struct of which nothing is hidden, for its schema's test.
macro_rules! fields {
    ($name:ident { $($field:ident : $ty:ty),* $(,)? }) => {
        &[$($crate::sbe::Field {
            name: stringify!($field),
            offset: core::mem::offset_of!($name, $field),
            size: size_of::<$ty>(),
        }),*]
    };
}
pub(crate) use fields;

/// A message's block, and the group of one entry that may follow it. Its fields leave no gap, so that the struct is the
/// bytes.
macro_rules! message {
    ($(#[$doc:meta])* $name:ident, block $bytes:literal $(, group $group:literal)? {
        $($(#[$field_doc:meta])* $field:ident : $ty:ty),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
        )]
        #[repr(C)]
        pub struct $name { $($(#[$field_doc])* pub $field: $ty),* }

        const _: () = assert!(size_of::<$name>() == $bytes $(+ $group)?);
        const _: () = assert!($bytes % 8 == 0 $(&& $group % 8 == 0)?);

        impl Block for $name {
            const TEMPLATE: Template = Template::$name;
            const LENGTH: usize = $bytes;
            const FIELDS: &'static [$crate::sbe::Field] =
                $crate::sbe::fields!($name { $($field: $ty),* });
        }
    };
}
pub(crate) use message;

/// The templates of a schema, whose `SCHEMA_ID` and `VERSION` stand where this is called.
macro_rules! templates {
    ($($name:ident = $number:literal),* $(,)?) => {
        /// A message's block.
        pub trait Block: FromBytes + IntoBytes + Immutable + KnownLayout + Copy {
            /// Which message.
            const TEMPLATE: Template;
            /// Its bytes, without those of a group that follows it.
            const LENGTH: usize;
            /// Its fields and those of its group, without gaps. A struct among them counts as one.
            const FIELDS: &'static [$crate::sbe::Field];
        }

        /// Which message. Numbers are stable for ever.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u16)]
        #[expect(missing_docs, reason = "each is documented at its block")]
        pub enum Template { $($name = $number),* }

        impl Template {
            /// Every template.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Bytes of its block in this version.
            #[must_use]
            pub fn block_length(self) -> usize {
                match self { $(Self::$name => $name::LENGTH),* }
            }

            /// The fields of its block and of its group.
            #[must_use]
            pub fn fields(self) -> &'static [$crate::sbe::Field] {
                match self { $(Self::$name => $name::FIELDS),* }
            }

            /// Its number.
            #[must_use]
            pub fn number(self) -> u16 {
                self as u16
            }

            /// The header that this version puts before its block.
            #[must_use]
            pub fn header(self) -> $crate::sbe::MessageHeader {
                $crate::sbe::MessageHeader {
                    block_length: u16::try_from(self.block_length())
                        .expect("blocks are below 200 bytes"),
                    template_id: self.number(),
                    schema_id: SCHEMA_ID,
                    version: VERSION,
                }
            }
        }

        impl TryFrom<u16> for Template {
            type Error = u16;
            fn try_from(number: u16) -> Result<Self, u16> {
                match number { $($number => Ok(Self::$name),)* other => Err(other) }
            }
        }

        /// Any message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each is documented at its block")]
        pub enum Message {
            $($name($name),)*
            /// A message of a newer version, which takes a number as its kind does.
            Unknown {
                /// Its template.
                template_id: u16,
            },
        }

        impl Message {
            /// The number of its template.
            #[must_use]
            pub fn template_id(&self) -> u16 {
                match self {
                    $(Self::$name(_) => $number,)*
                    Self::Unknown { template_id } => *template_id,
                }
            }

            /// Its block, and its group if it has one; empty if unknown.
            #[must_use]
            pub fn block(&self) -> &[u8] {
                match self {
                    $(Self::$name(block) => block.as_bytes(),)*
                    Self::Unknown { .. } => &[],
                }
            }

            /// Reads a block, and the group of one entry that belongs to it; what follows is not looked at. `None` if
            /// the bytes are fewer than this version's.
            #[must_use]
            pub fn from_block(template_id: u16, block: &[u8]) -> Option<Self> {
                Some(match template_id {
                    $($number => Self::$name($name::read_from_prefix(block).ok()?.0),)*
                    _ => Self::Unknown { template_id },
                })
            }
        }

        $(impl From<$name> for Message {
            fn from(block: $name) -> Self {
                Self::$name(block)
            }
        })*
    };
}
pub(crate) use templates;
