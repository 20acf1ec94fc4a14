//! Command files: a header of eight numbers, then records of 32 bytes, little-endian.

use crate::checksum::Outcome;
use crate::command::{Command, Workload};
use anyhow::{Context as _, Result, ensure};
use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::Path;
use zerocopy::IntoBytes as _;

const MAGIC: u64 = 0x3130_3030_574B_454D;
const HEADER: usize = 64;

/// Reads a file. Whether its commands come to its outcome is for who runs them to say.
///
/// # Errors
/// If it cannot be read or is no such file.
pub fn read(path: &Path) -> Result<Workload> {
    let show = || format!("read {}", path.display());
    let mut bytes = Vec::new();
    let mut file = File::open(path).with_context(show)?;
    file.read_to_end(&mut bytes).with_context(show)?;
    parse(&bytes).with_context(show)
}

fn parse(bytes: &[u8]) -> Result<Workload> {
    let (header, records) = bytes.split_at_checked(HEADER).with_context(|| {
        format!(
            "{} bytes are no file of commands: the header alone has {HEADER}",
            bytes.len()
        )
    })?;
    let mut words = header
        .as_chunks()
        .0
        .iter()
        .map(|word| u64::from_le_bytes(*word));
    let mut word = || words.next().unwrap_or(0);
    let magic = word();
    ensure!(
        magic == MAGIC,
        "it begins with {magic:#018x}, a file of commands with {MAGIC:#018x}"
    );
    let symbols = u32::try_from(word()).context("the number of markets")?;
    let prefix = usize::try_from(word()).context("the number of commands before those timed")?;
    let timed = usize::try_from(word()).context("the number of timed commands")?;
    let largest_id = word();
    let outcome = Outcome {
        trades: word(),
        quantity: word(),
        checksum: word(),
    };
    ensure!(
        (1..=1 << 16).contains(&symbols),
        "{symbols} markets: 1 to 65536 can be run"
    );
    ensure!(
        largest_id < 1 << 32,
        "the largest id is {largest_id}: ids are below 2^32"
    );
    let count = prefix
        .checked_add(timed)
        .context("more commands than can be counted")?;
    let expected = count.checked_mul(size_of::<Command>());
    ensure!(
        expected == Some(records.len()),
        "the header names {prefix} and {timed} commands of {} bytes, and {} bytes follow",
        size_of::<Command>(),
        records.len()
    );
    let mut commands = vec![Command::default(); count];
    commands.as_mut_bytes().copy_from_slice(records);
    for (number, command) in commands.iter().enumerate() {
        check(command, symbols, largest_id).with_context(|| format!("command {number}"))?;
    }
    Ok(Workload {
        symbols,
        largest_id,
        prefix,
        commands,
        outcome,
    })
}

fn check(command: &Command, symbols: u32, largest_id: u64) -> Result<()> {
    let op = command.op().context("op is neither 0 nor 1 nor 2")?;
    if op == crate::Op::New {
        command.side().context("side is neither 0 nor 1")?;
        command.lasting().context("tif is not 0 to 4")?;
    }
    ensure!(
        command.symbol < symbols,
        "market {} of {symbols}",
        command.symbol
    );
    ensure!(
        command.id <= largest_id,
        "id {} above the largest",
        command.id
    );
    Ok(())
}

/// Writes a file.
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, workload: &Workload) -> Result<()> {
    let show = || format!("write {}", path.display());
    let mut file = BufWriter::new(File::create(path).with_context(show)?);
    let timed = workload.commands.len() - workload.prefix;
    let header = [
        MAGIC,
        u64::from(workload.symbols),
        workload.prefix as u64,
        timed as u64,
        workload.largest_id,
        workload.outcome.trades,
        workload.outcome.quantity,
        workload.outcome.checksum,
    ];
    file.write_all(header.as_bytes()).with_context(show)?;
    file.write_all(workload.commands.as_bytes())
        .with_context(show)?;
    file.flush().with_context(show)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lasting;
    use domain::Side;

    fn small() -> Workload {
        Workload {
            symbols: 2,
            largest_id: 7,
            prefix: 1,
            commands: vec![
                Command::new(7, Side::Sell, Lasting::PostOnly, 5, 6).of(1, 9),
                Command::cancel(7).of(1, 9),
            ],
            outcome: Outcome::default(),
        }
    }

    fn bytes(workload: &Workload) -> Vec<u8> {
        let file = tempfile::NamedTempFile::new().unwrap();
        write(file.path(), workload).unwrap();
        std::fs::read(file.path()).unwrap()
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let bytes = bytes(&small());
        assert_eq!(parse(&bytes).unwrap(), small());
        // Where every field stands.
        let record = &bytes[HEADER..HEADER + 32];
        assert_eq!(record[..8], 7_u64.to_le_bytes());
        assert_eq!(record[8..16], [5, 0, 0, 0, 6, 0, 0, 0]);
        assert_eq!(record[16..24], [0, 1, 4, 0, 1, 0, 0, 0]);
        assert_eq!(record[24..], [9, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn what_is_no_file_is_refused_with_a_reason() {
        let good = bytes(&small());
        let refused = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            change(&mut bytes);
            format!("{:#}", parse(&bytes).unwrap_err())
        };
        assert!(refused(&|it| it.truncate(63)).contains("63 bytes"));
        assert!(refused(&|it| it[0] ^= 1).contains("begins with"));
        assert!(refused(&|it| it.truncate(it.len() - 1)).contains("bytes follow"));
        assert!(refused(&|it| it[16..24].fill(0xFF)).contains("more commands"));
        assert!(refused(&|it| it[HEADER + 16] = 3).contains("command 0: op"));
        assert!(refused(&|it| it[HEADER + 18] = 5).contains("tif"));
        assert!(refused(&|it| it[HEADER + 20] = 2).contains("market 2 of 2"));
        assert!(refused(&|it| it[HEADER + 32] = 8).contains("id 8"));
    }
}
