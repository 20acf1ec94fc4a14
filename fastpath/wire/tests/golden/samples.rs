//! One message of every template with its smallest, its largest and telling values, and datagrams of
//! them: what the golden vectors are made of.

use domain::{
    ClientOrderId, Flag, Liquidity, MarketId, OrderType, PostOnly, Price, Qty, Reason, Scope,
    SelfTrade, SelfTradeScope, SessionId, Side, Sides, TimeInForce,
};
use wire::auth::{HostSecret, MacKeys};
use wire::order_entry::{
    Became, CancelOrder, Challenge, Context, DatagramWriter, Field, GroupSize, Hello, MAX_QUOTES,
    MassQuote, Message, NewOrder, NotApplied, OrderAccepted, QuoteEntry, Refused, Stamp, Template,
};
use zerocopy::TryFromBytes;

/// Which values a sample has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    Smallest,
    Largest,
    /// Every byte of the block differs from its neighbours.
    Telling,
}

/// A field of a sample and what a reader must make of it: a number, or the name of an enumeration's
/// value.
pub(crate) struct Expected {
    pub(crate) field: &'static str,
    pub(crate) value: String,
}

/// A golden message.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) template: Template,
    pub(crate) message: Message,
    pub(crate) expected: Vec<Expected>,
}

pub(crate) fn flat_fields(template: Template) -> Vec<Field> {
    let fields = template.fields().iter();
    fields
        .flat_map(|field| {
            if field.name == "stamp" {
                Stamp::FIELDS
            } else if field.name == "quotes" {
                GroupSize::FIELDS
            } else if field.name == "quote" && field.size == size_of::<QuoteEntry>() {
                QuoteEntry::FIELDS
            } else {
                core::slice::from_ref(field)
            }
        })
        .copied()
        .collect()
}

fn named<T: TryFromBytes + core::fmt::Debug>(
    values: Values,
    largest: u16,
    telling: u16,
) -> (u64, String) {
    let value = match values {
        Values::Smallest => 0,
        Values::Largest => largest,
        Values::Telling => telling,
    };
    let bytes = value.to_le_bytes();
    let name = T::try_read_from_bytes(&bytes[..size_of::<T>()])
        .ok()
        .unwrap();
    (u64::from(value), format!("{name:?}"))
}

/// The bits of a field and how they read.
fn value(field: &Field, values: Values) -> (u64, String) {
    let largest = u64::MAX >> (64 - 8 * field.size);
    match field.name {
        "side" => named::<Side>(values, 1, 1),
        "order_type" => named::<OrderType>(values, 3, 2),
        "time_in_force" => named::<TimeInForce>(values, 4, 3),
        "post_only" => named::<PostOnly>(values, 2, 2),
        "self_trade" => named::<SelfTrade>(values, 5, 3),
        "self_trade_scope" => named::<SelfTradeScope>(values, 1, 1),
        "scope" => named::<Scope>(values, 3, 2),
        "sides" => named::<Sides>(values, 2, 1),
        "kept_priority" | "on" | "fee_is_rebate" | "slide" | "quote" => named::<Flag>(values, 1, 1),
        "became" => named::<Became>(values, 2, 1),
        "liquidity" => named::<Liquidity>(values, 1, 1),
        "reason" => named::<Reason>(values, 306, 12),
        "flags" if values == Values::Smallest => (0, String::new()),
        "flags" => (1, "Retransmission".to_owned()),
        "reserved" | "reserved2" | "reserved3" => (0, "0".to_owned()),
        "block_length" => (40, "40".to_owned()),
        "num_in_group" => (1, "1".to_owned()),
        "price" | "lowest_price" | "highest_price" | "trigger_price" | "bid_price"
        | "ask_price" => {
            let price = match values {
                Values::Smallest => i64::MIN,
                Values::Largest => i64::MAX,
                Values::Telling => -123_456_789_012_345,
            };
            (price.cast_unsigned(), price.to_string())
        }
        _ => {
            let bits = match values {
                Values::Smallest => 0,
                Values::Largest => largest,
                Values::Telling => {
                    let bytes: [u8; 8] =
                        core::array::from_fn(|i| u8::try_from(field.offset + i + 1).unwrap());
                    u64::from_le_bytes(bytes) & largest
                }
            };
            (bits, bits.to_string())
        }
    }
}

pub(crate) fn sample(template: Template, values: Values) -> Sample {
    let mut block = Vec::new();
    let mut expected = Vec::new();
    for field in flat_fields(template) {
        let (bits, text) = value(&field, values);
        block.extend_from_slice(&bits.to_le_bytes()[..field.size]);
        expected.push(Expected {
            field: field.name,
            value: text,
        });
    }
    Sample {
        name: format!("{template:?}-{values:?}").to_lowercase(),
        template,
        message: Message::from_block(template.number(), &block).unwrap(),
        expected,
    }
}

/// Every template three times.
pub(crate) fn samples() -> Vec<Sample> {
    let values = [Values::Smallest, Values::Largest, Values::Telling];
    Template::ALL
        .iter()
        .flat_map(|&template| values.map(|values| sample(template, values)))
        .collect()
}

/// A golden datagram; its keys are those of session 7 of the host secret 00 01 .. 1f.
pub(crate) struct DatagramSample {
    pub(crate) name: &'static str,
    pub(crate) context: Context,
    pub(crate) messages: Vec<Message>,
}

pub(crate) const SESSION: SessionId = SessionId(7);
pub(crate) const SHARD: u16 = 3;

pub(crate) fn keys(epoch: u32) -> MacKeys {
    HostSecret::from_bytes(core::array::from_fn(|i| u8::try_from(i).unwrap()))
        .session_secret(SESSION)
        .keys(SESSION, SHARD, epoch)
}

impl DatagramSample {
    pub(crate) fn is_from_exchange(&self) -> bool {
        self.name.starts_with("exchange")
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let keys = keys(self.context.epoch);
        let mut bytes = vec![0; wire::MAX_DATAGRAM];
        let mut writer = DatagramWriter::new(&mut bytes, self.context);
        for message in &self.messages {
            writer.push_message(message).unwrap();
        }
        let length = writer.finish(if self.is_from_exchange() {
            &keys.to_client
        } else {
            &keys.to_exchange
        });
        bytes.truncate(length);
        bytes
    }
}

pub(crate) fn context(epoch: u32, next_seq_no: u64, flags: u16) -> Context {
    Context {
        session_id: SESSION,
        epoch,
        next_seq_no,
        sending_time: domain::Nanos(1_700_000_000_123_456_789),
        shard: if epoch == 0 { 0 } else { SHARD },
        flags,
        reserved: 0,
    }
}

/// A quote in the market `market`, whose bytes are not those of its neighbours.
pub(crate) fn quote(quote_id: u64, market: u32) -> MassQuote {
    let word = u64::from(market) + 1;
    MassQuote {
        quote_id: ClientOrderId(quote_id),
        slide: 1,
        quotes: QuoteEntry::ALONE,
        quote: QuoteEntry {
            bid_price: Price(word.cast_signed() << 8),
            bid_quantity: Qty(word << 16),
            ask_price: Price(word.cast_signed() << 24),
            ask_quantity: Qty(word << 32),
            market_id: MarketId(market),
            reserved: 0,
        },
        ..MassQuote::default()
    }
}

fn telling(template: Template) -> Message {
    sample(template, Values::Telling).message
}

pub(crate) fn datagrams() -> Vec<DatagramSample> {
    let mut datagrams = client_datagrams();
    datagrams.extend(exchange_datagrams());
    datagrams
}

fn client_datagrams() -> Vec<DatagramSample> {
    vec![
        DatagramSample {
            name: "client-hello",
            context: context(0, 0, 0),
            messages: vec![Hello { nonce: 5 }.into()],
        },
        DatagramSample {
            name: "client-heartbeat",
            context: context(2, 12, 0),
            messages: vec![],
        },
        DatagramSample {
            name: "client-orders",
            context: context(2, 12, 0),
            messages: vec![
                telling(Template::NewOrder),
                CancelOrder::default().into(),
                telling(Template::AmendOrder),
                telling(Template::MassCancel),
                telling(Template::KillSwitch),
                telling(Template::ResendRequest),
                NewOrder::default().into(),
            ],
        },
        DatagramSample {
            name: "client-queries",
            context: context(2, 12, 0),
            messages: vec![
                telling(Template::OutcomeQuery),
                telling(Template::ResendRequest),
            ],
        },
        DatagramSample {
            name: "client-attestation",
            context: context(2, 12, 0),
            messages: vec![telling(Template::CancelOrder), telling(Template::Attest)],
        },
        DatagramSample {
            name: "client-quotes",
            context: context(2, 12, 0),
            messages: (0..MAX_QUOTES)
                .map(|market| quote(5, market).into())
                .collect(),
        },
        DatagramSample {
            name: "client-quotes-and-others",
            context: context(2, 12, 0),
            messages: vec![
                NewOrder::default().into(),
                quote(5, 0).into(),
                quote(5, 1).into(),
                quote(6, 2).into(),
                telling(Template::SetProtection),
                quote(6, 3).into(),
            ],
        },
    ]
}

fn exchange_datagrams() -> Vec<DatagramSample> {
    vec![
        DatagramSample {
            name: "exchange-challenge",
            context: context(0, 0, 0),
            messages: vec![
                Challenge {
                    nonce: 5,
                    cookie: 6,
                }
                .into(),
            ],
        },
        DatagramSample {
            name: "exchange-reports",
            context: context(2, u64::MAX - 9, Context::RETRANSMISSION),
            messages: vec![
                telling(Template::OrderAccepted),
                telling(Template::OrderFilled),
                telling(Template::OrderCanceled),
                telling(Template::OrderAmended),
                telling(Template::OrderRejected),
                telling(Template::SelfTradePrevented),
                telling(Template::MassCanceled),
                telling(Template::Triggered),
                NotApplied::default().into(),
            ],
        },
        DatagramSample {
            name: "exchange-protection",
            context: context(2, 1, 0),
            messages: vec![
                telling(Template::ProtectionSet),
                telling(Template::ProtectionReached),
            ],
        },
        DatagramSample {
            name: "exchange-outcome",
            context: context(2, 1, 0),
            messages: vec![telling(Template::Outcome)],
        },
        DatagramSample {
            name: "exchange-attestation",
            context: context(2, 1, 0),
            messages: vec![telling(Template::AttestationNoted)],
        },
        DatagramSample {
            name: "exchange-refused",
            context: context(2, 1, 0),
            messages: vec![
                Refused {
                    from_no: 12,
                    count: 5,
                    reason: Reason::Busy.into(),
                    refused_template_id: Template::NewOrder.number(),
                    ..Refused::default()
                }
                .into(),
            ],
        },
        DatagramSample {
            name: "exchange-full",
            context: context(2, 1, 0),
            messages: vec![OrderAccepted::default().into(); 12],
        },
    ]
}
