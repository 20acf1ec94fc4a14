//! Defaults, profile, file, environment: the later wins, and everything says where it comes from.

use topology::{
    Ack, Config, ConfigError, DEFAULT_CONFIG, Idle, Loaded, LogFormat, Origin, Profile,
};

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let variables: Vec<(String, String)> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Loaded::parse(text, "sluice.toml", &variables)
}

fn refusal(text: &str, variables: &[(&str, &str)]) -> String {
    parse(text, variables)
        .expect_err("it cannot be")
        .to_string()
}

fn origin(loaded: &Loaded, section: &str, name: &str) -> String {
    let key = loaded
        .keys
        .iter()
        .find(|key| key.section == section && key.name == name);
    key.expect("the key is set").origin.to_string()
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_profile() {
    let text = "profile = \"production\"\n[log]\nformat = \"text\"\n[port]\nburst = 7\n";
    let loaded = parse(
        text,
        &[
            ("SLUICE_PORT__BURST", "9"),
            ("SLUICE_PORT__BIND", "127.0.0.1:7500"),
            ("SLUICE_STORE__URL", "postgres://u@h/d"),
            ("SLUICE_INSTANCE__NAME", "5"),
            (
                "SLUICE_GATEWAY__OPERATORS",
                "[\"11111111111111111111111111111111\"]",
            ),
            ("SLUICE_SLOWPATH__CPUS", "[3, 4]"),
            ("SLUICE_GENESIS", "other.toml"),
            ("SLUICES", "not ours"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    let config = &loaded.config;
    assert_eq!(config.port.burst, 9);
    assert_eq!(config.port.bind.port(), 7500);
    assert_eq!(config.store.url.as_deref(), Some("postgres://u@h/d"));
    assert_eq!(config.instance.name, "5", "a text need not be quoted");
    assert_eq!(config.gateway.operators.len(), 1);
    assert_eq!(config.slowpath.cpus, [3, 4]);
    assert_eq!(config.genesis.to_str(), Some("other.toml"));
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(
        (config.instance.ack, config.profile),
        (Ack::Durable, Profile::Production)
    );

    for (section, name, says) in [
        ("port", "burst", "environment variable SLUICE_PORT__BURST"),
        ("log", "format", "sluice.toml: line 3, column 1"),
        ("instance", "ack", "profile production"),
        ("", "core", "profile production"),
        ("limits", "net_ring", "default"),
        ("", "profile", "sluice.toml: line 1, column 1"),
    ] {
        assert_eq!(origin(&loaded, section, name), says, "{section}.{name}");
    }
}

#[test]
fn a_variable_that_names_no_key_is_refused_by_its_name() {
    for (variable, says) in [
        (
            "SLUICE_PORT__BRUST",
            "port.brust: there is no such key; did you mean `burst`?",
        ),
        (
            "SLUICE_PROT__BIND",
            "section prot: there is no such key; did you mean `port`?",
        ),
        (
            "SLUICE_PORT_BIND",
            "two underscores between, or unset it; did you mean SLUICE_PORT__BIND?",
        ),
        ("SLUICE_PROFIL", "did you mean SLUICE_PROFILE?"),
        ("SLUICE_CORE", "[[core]], which may stand several times"),
        (
            "SLUICE_CORE__CPU",
            "[[core]], which may stand several times",
        ),
        ("SLUICE_", "names no key"),
    ] {
        let message = refusal("", &[(variable, "1")]);
        let begins = format!("environment variable {variable}: ");
        assert!(
            message.starts_with(&begins) && message.contains(says),
            "{message}"
        );
    }
}

#[test]
fn what_a_variable_says_is_checked_like_the_file_and_the_variable_named() {
    let wrong = refusal("", &[("SLUICE_PORT__BURST", "many")]);
    assert!(
        wrong.starts_with("environment variable SLUICE_PORT__BURST: port.burst: invalid type"),
        "{wrong}"
    );
    let wrong = refusal("[port]\nburst = 3", &[("SLUICE_PORT__BURST", "0")]);
    assert!(
        wrong.starts_with("environment variable SLUICE_PORT__BURST: port.burst: 0 is out of range"),
        "{wrong}"
    );
    // It may hold a password, so it is not repeated.
    let secret = refusal("", &[("SLUICE_STORE__URL", "mysql://u:secret@h/d")]);
    assert!(
        secret.contains("SLUICE_STORE__URL") && !secret.contains("u:secret"),
        "{secret}"
    );
    let both = refusal("nonsense = 1", &[("SLUICE_NONSENSE", "1")]);
    assert_eq!(both.lines().count(), 2, "{both}");
}

#[test]
fn profiles_decide_defaults() {
    let of = |name: &str| Config::parse(&format!("profile = \"{name}\"")).unwrap();
    let [development, staging, production] = Profile::ALL.map(|profile| of(profile.name()));
    assert_eq!(development, Config::default());
    let seen = |config: &Config| (config.log.format, config.instance.ack, config.cores[0].idle);
    assert_eq!(
        seen(&development),
        (LogFormat::Text, Ack::Sequenced, Idle::SpinThenYield)
    );
    assert_eq!(
        seen(&staging),
        (LogFormat::Json, Ack::Sequenced, Idle::SpinThenYield)
    );
    assert_eq!(
        seen(&production),
        (LogFormat::Json, Ack::Durable, Idle::Spin)
    );
    let explicit = "profile = \"production\"\n[instance]\nack = \"sequenced\"\n";
    let explicit = Config::parse(explicit).unwrap();
    assert_eq!(explicit.instance.ack, Ack::Sequenced, "explicit keys win");
    let by_environment = parse("", &[("SLUICE_PROFILE", "production")]).unwrap();
    assert_eq!(by_environment.config, production);
    let wrong = refusal("profile = \"prod\"", &[]);
    assert!(
        wrong.contains("line 1") && wrong.contains("`production`"),
        "{wrong}"
    );
}

#[test]
fn production_refuses_what_is_for_tests_and_says_what_to_do() {
    for (text, key) in [
        ("[gateway]\nfaucet = true", "gateway.faucet"),
        ("[gateway]\nregistration = \"open\"", "gateway.registration"),
        ("[metrics]\nbind = \"0.0.0.0:7490\"", "metrics.bind"),
        ("[gateway]\nbind = \"0.0.0.0:7480\"", "gateway.bind"),
    ] {
        let production = format!("profile = \"production\"\n{text}");
        let message = refusal(&production, &[]);
        let begins = format!("sluice.toml: line 3, column 1: {key}: ");
        assert!(message.starts_with(&begins), "{message}");
        if key != "gateway.bind" {
            assert!(parse(&format!("profile = \"staging\"\n{text}"), &[]).is_ok());
        }
    }
}

#[test]
fn the_file_of_each_profile_says_what_the_profile_does() {
    for profile in Profile::ALL {
        let text = profile.file();
        assert_eq!(
            Config::parse(&text).unwrap(),
            Config::parse(profile.defaults()).unwrap()
        );
        assert_eq!(text.lines().count(), DEFAULT_CONFIG.lines().count());
        // It stands in the file, with its paragraph.
        let line = format!("\nprofile = \"{}\"\n", profile.name());
        assert!(text.contains(&line));
    }
    assert_eq!(Profile::Development.file(), DEFAULT_CONFIG);
}

#[test]
fn levels_are_levels() {
    for level in [
        "info",
        "off",
        "warn,gateway=debug",
        "slowpath::metrics=trace",
    ] {
        assert!(
            parse("", &[("SLUICE_LOG__LEVEL", level)]).is_ok(),
            "{level}"
        );
    }
    for level in [
        "",
        "loud",
        "info,",
        "=debug",
        "gateway=loud",
        "INFO",
        "a b=info",
        "info,gatewy=debug",
        "gateways::api=debug",
    ] {
        let message = refusal(&format!("[log]\nlevel = \"{level}\""), &[]);
        assert!(message.contains("line 2, column 1: log.level"), "{message}");
    }
}

#[test]
fn every_value_has_an_origin() {
    let loaded = parse("", &[]).unwrap();
    assert!(loaded.keys.len() > 40);
    assert!(loaded.keys.iter().all(|key| key.origin == Origin::Default));
    assert_eq!(loaded.keys[0].section, "", "first those without a section");
}
