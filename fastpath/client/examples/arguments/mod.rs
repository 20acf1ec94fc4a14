//! Command lines of the examples: `--name value`, and nothing else.

use client::{Attesting, Config};
use domain::{MarketId, SessionId};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::str::FromStr;
use wire::auth::SessionSecret;

/// What every example needs, as `--help` shows it.
const COMMON: &str = "  --server ADDR    the exchange's order entry port, such as 127.0.0.1:7400 or exchange.example:7400
  --session N      our session
  --secret FILE    its secret: 64 hexadecimal digits
  --key FILE       its delegated key, 64 hexadecimal digits, by which it attests what it sends; the session must not have
                   sent anything yet [it attests nothing]
  --market M       the market to trade in";

/// The options given.
pub(crate) struct Arguments {
    given: BTreeMap<String, String>,
}

impl Arguments {
    /// Reads the command line; `None` if it asked for help, which has then been printed. `own` are the
    /// names of the example's own options, `help` describes them.
    pub(crate) fn read(
        about: &str,
        own: &[&str],
        help: &str,
    ) -> Result<Option<Self>, Box<dyn Error>> {
        let common = ["server", "session", "secret", "key", "market"];
        let names: Vec<&str> = common.iter().chain(own).copied().collect();
        Self::read_only(about, &names, &format!("{COMMON}\n{help}"))
    }

    /// The same, of an example that has only the options `names`.
    pub(crate) fn read_only(
        about: &str,
        names: &[&str],
        help: &str,
    ) -> Result<Option<Self>, Box<dyn Error>> {
        let mut words = std::env::args().skip(1);
        let mut given = BTreeMap::new();
        while let Some(word) = words.next() {
            if word == "--help" || word == "-h" {
                #[expect(clippy::print_stdout, reason = "help goes to the terminal")]
                {
                    println!("{about}\n\nOptions:\n{help}");
                }
                return Ok(None);
            }
            let name = word.strip_prefix("--").unwrap_or_default();
            if !names.contains(&name) {
                return Err(format!("{word} is not an option; --help lists them").into());
            }
            let value = words.next().ok_or(format!("{word} needs a value"))?;
            if given.insert(name.to_owned(), value).is_some() {
                return Err(format!("{word} is given twice").into());
            }
        }
        Ok(Some(Self { given }))
    }

    /// An option's value, or `default` if it is not given.
    pub(crate) fn get<T: FromStr>(&self, name: &str, default: T) -> Result<T, Box<dyn Error>>
    where
        T::Err: Error + 'static,
    {
        match self.given.get(name) {
            None => Ok(default),
            Some(text) => {
                let value = text
                    .parse()
                    .map_err(|error| format!("--{name} {text}: {error}"));
                Ok(value?)
            }
        }
    }

    /// An option's value as it was given; empty if it was not.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.given.get(name).map_or("", String::as_str)
    }

    /// An option's value, which must be given.
    pub(crate) fn required<T: FromStr>(&self, name: &str) -> Result<T, Box<dyn Error>>
    where
        T::Err: Error + 'static,
    {
        let text = self.given.get(name);
        let text = text.ok_or(format!("--{name} is needed; --help says more"))?;
        let value = text
            .parse()
            .map_err(|error| format!("--{name} {text}: {error}"));
        Ok(value?)
    }

    /// Where the exchange is. Its port is one of IPv4, so that of a name's addresses such a one is taken first.
    pub(crate) fn server(&self) -> Result<SocketAddr, Box<dyn Error>> {
        let server: String = self.required("server")?;
        let wrong = |problem: &dyn Display| {
            format!(
                "--server {server}: {problem}: write an address or a name, and a port, as in 127.0.0.1:7400"
            )
        };
        let found = server.to_socket_addrs().map_err(|error| wrong(&error))?;
        let found: Vec<SocketAddr> = found.collect();
        let address = found.iter().find(|address| address.is_ipv4());
        let address = address.or(found.first());
        Ok(*address.ok_or_else(|| wrong(&"nobody has this name"))?)
    }

    /// Where to trade.
    pub(crate) fn market(&self) -> Result<MarketId, Box<dyn Error>> {
        Ok(MarketId(self.required("market")?))
    }

    /// Who we are.
    pub(crate) fn config(&self) -> Result<Config, Box<dyn Error>> {
        let session = SessionId(self.required("session")?);
        let path: PathBuf = self.required("secret")?;
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("--secret {}: {error}", path.display()))?;
        let secret = SessionSecret::from_hex(&text)
            .map_err(|error| format!("--secret {}: {error}", path.display()))?;
        let attesting = match self.text("key") {
            "" => None,
            path => Some(Attesting::with_key(&read_key(path)?)),
        };
        Ok(Config {
            attesting,
            ..Config::new(session, secret)
        })
    }
}

fn read_key(path: &str) -> Result<[u8; 32], Box<dyn Error>> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("--key {path}: {error}"))?;
    let key = domain::from_hex(text.trim().as_bytes());
    key.ok_or_else(|| format!("--key {path}: a key is 64 hexadecimal digits").into())
}
