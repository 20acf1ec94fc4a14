//! `cpu = 3` or `cpu = "any"`.

use serde::{Deserialize, Deserializer, de};
use std::fmt;

/// Where a core's thread runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cpu {
    /// Wherever the scheduler puts it.
    Any,
    /// Pinned to the CPU with this number.
    Number(usize),
}

impl<'de> Deserialize<'de> for Cpu {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Cpu;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the number of a CPU, or \"any\"")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Cpu, E> {
                usize::try_from(number)
                    .map(Cpu::Number)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Cpu, E> {
                match text {
                    "any" => Ok(Cpu::Any),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
