//! Numbers in JSON. A 64-bit number leaves as a string of digits, because many readers of JSON keep
//! numbers as floats; it is accepted as a string or as an integer.

use domain::{Amount, Flag, Nanos, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// An unsigned 64-bit number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct U64(pub(crate) u64);

/// A signed 64-bit number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct I64(pub(crate) i64);

impl Serialize for U64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for I64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// What somebody paid, in base units; below 0 what they received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paid(i128);

impl Paid {
    pub(crate) fn of(amount: Amount, is_rebate: Flag) -> Self {
        let amount = i128::from(amount.0);
        Self(if is_rebate.is_yes() { -amount } else { amount })
    }
}

impl Serialize for Paid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl PartialSchema for Paid {
    fn schema() -> RefOr<Schema> {
        schema("^-?[0-9]{1,20}$", "12345")
    }
}
impl ToSchema for Paid {}

struct Digits;

impl de::Visitor<'_> for Digits {
    type Value = i128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, as an integer or a string of digits")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<i128, E> {
        Ok(i128::from(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<i128, E> {
        Ok(i128::from(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<i128, E> {
        let refused = || E::invalid_value(de::Unexpected::Str(text), &self);
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || digits.len() > 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refused());
        }
        text.parse().map_err(|_| refused())
    }
}

fn within<'de, D: Deserializer<'de>, T: TryFrom<i128>>(deserializer: D) -> Result<T, D::Error> {
    let number = deserializer.deserialize_any(Digits)?;
    T::try_from(number).map_err(|_| de::Error::custom(format!("{number} is out of range")))
}

impl<'de> Deserialize<'de> for U64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        within(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for I64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        within(deserializer).map(Self)
    }
}

/// A time as it is read: UTC nanoseconds, or RFC 3339.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Nanos);

struct Moment;

impl de::Visitor<'_> for Moment {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "UTC nanoseconds, as an integer or a string of digits, or a time of RFC 3339 up to the year 2554, such as \
             2026-11-26T12:40:00Z",
        )
    }

    fn visit_u64<E: de::Error>(self, nanos: u64) -> Result<Time, E> {
        Ok(Time(Nanos(nanos)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
        let nanos = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            text.parse().ok().map(Nanos)
        } else {
            Utc::parse(text).map(|utc| utc.0)
        };
        nanos
            .map(Time)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Moment)
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let date = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])";
        let hour_and_minute = "([01][0-9]|2[0-3]):[0-5][0-9]";
        let clock = format!("{hour_and_minute}:[0-5][0-9](\\.[0-9]{{1,9}})?");
        let pattern = format!("^([0-9]{{1,20}}|{date}[Tt]{clock}([Zz]|[+-]{hour_and_minute}))$");
        ObjectBuilder::new()
            .schema_type(SchemaType::Array(vec![Type::String, Type::Integer]))
            .pattern(Some(pattern))
            .minimum(Some(0))
            .description(Some("UTC nanoseconds, or a time of RFC 3339."))
            .examples(["1795696800000000000", "2026-11-26T12:40:00Z"])
            .build()
            .into()
    }
}
impl ToSchema for Time {}

fn schema(pattern: &str, example: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .pattern(Some(pattern))
        .examples([example])
        .build()
        .into()
}

impl PartialSchema for U64 {
    fn schema() -> RefOr<Schema> {
        schema("^[0-9]{1,20}$", "12345")
    }
}
impl ToSchema for U64 {}

/// An unsigned number as it is read: an integer is one too.
pub(crate) fn as_read() -> Schema {
    read_from(vec![Type::String, Type::Integer])
}

/// The same, which may be left out.
pub(crate) fn as_read_if_given() -> Schema {
    read_from(vec![Type::String, Type::Integer, Type::Null])
}

/// A signed one as it is read, which may be left out.
pub(crate) fn signed_as_read_if_given() -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::Array(vec![
            Type::String,
            Type::Integer,
            Type::Null,
        ]))
        .pattern(Some("^-?[0-9]{1,19}$"))
        .examples(["12345"])
        .build()
        .into()
}

fn read_from(types: Vec<Type>) -> Schema {
    ObjectBuilder::new()
        .schema_type(SchemaType::Array(types))
        .pattern(Some("^[0-9]{1,20}$"))
        .minimum(Some(0))
        .examples(["12345"])
        .build()
        .into()
}

impl PartialSchema for I64 {
    fn schema() -> RefOr<Schema> {
        schema("^-?[0-9]{1,19}$", "12345")
    }
}
impl ToSchema for I64 {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_integers_are_read_and_strings_are_written() {
        for text in ["7", "\"7\""] {
            assert_eq!(serde_json::from_str::<U64>(text).unwrap(), U64(7));
            assert_eq!(serde_json::from_str::<I64>(text).unwrap(), I64(7));
        }
        let most = format!("\"{}\"", u64::MAX);
        assert_eq!(serde_json::from_str::<U64>(&most).unwrap(), U64(u64::MAX));
        assert_eq!(serde_json::to_string(&U64(u64::MAX)).unwrap(), most);
        let least = format!("\"{}\"", i64::MIN);
        assert_eq!(serde_json::to_string(&I64(i64::MIN)).unwrap(), least);
        assert_eq!(serde_json::from_str::<I64>(&least).unwrap(), I64(i64::MIN));
    }

    #[test]
    fn a_rebate_is_a_negative_fee() {
        let said = |paid: Paid| serde_json::to_string(&paid).unwrap();
        let most = Amount(u64::MAX);
        assert_eq!(said(Paid::of(most, Flag::No)), format!("\"{}\"", u64::MAX));
        assert_eq!(
            said(Paid::of(most, Flag::Yes)),
            format!("\"-{}\"", u64::MAX)
        );
        assert_eq!(said(Paid::of(Amount(0), Flag::Yes)), "\"0\"");
    }

    #[test]
    fn the_description_has_room_for_every_number() {
        let most = |schema: RefOr<Schema>| {
            let schema = serde_json::to_value(schema).unwrap();
            let pattern = schema["pattern"].as_str().unwrap().to_owned();
            let (_, digits) = pattern.rsplit_once(',').unwrap();
            digits.trim_end_matches("}$").parse::<usize>().unwrap()
        };
        assert_eq!(most(U64::schema()), u64::MAX.to_string().len());
        assert_eq!(most(I64::schema()), i64::MAX.to_string().len());
    }

    #[test]
    fn anything_else_is_refused() {
        let beyond = format!("\"{}0\"", u64::MAX);
        for text in [
            "1.0", "\"1.0\"", "-1", "\"-1\"", "\"\"", "\" 1\"", "\"0x1\"", "null", &beyond,
        ] {
            assert!(serde_json::from_str::<U64>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_is_nanoseconds_or_rfc_3339() {
        let read = |text: &str| serde_json::from_str::<Time>(text).map(|time| time.0.0);
        for text in [
            "1795696800000000000",
            "\"1795696800000000000\"",
            "\"2026-11-26T12:40:00Z\"",
            "\"2026-11-26T13:40:00.000+01:00\"",
        ] {
            assert_eq!(read(text).unwrap(), 1_795_696_800_000_000_000, "{text}");
        }
        for text in [
            "\"\"",
            "\"-1\"",
            "-1",
            "1.5",
            "\"2026-11-26\"",
            "\"99999999999999999999\"",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(
            read("\"tomorrow\"").unwrap_err().to_string(),
            "invalid value: string \"tomorrow\", expected UTC nanoseconds, as an integer or a string of digits, or a time \
             of RFC 3339 up to the year 2554, such as 2026-11-26T12:40:00Z at line 1 column 10"
        );
    }
}
