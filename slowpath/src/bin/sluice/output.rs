//! Where a command's answer goes, and what becomes of the command if nobody reads it.

use std::fmt;
use std::io::{self, ErrorKind, Write};

/// What a command writes.
pub(crate) struct Output<W> {
    inner: W,
    /// The exit code is the answer, and what is done is done whoever reads: a write that fails ends nothing.
    by_code: bool,
    /// The first failure that somebody must hear of: a full disk, but no reader who has seen enough.
    lost: Option<io::Error>,
}

impl<W: Write> Output<W> {
    pub(crate) fn new(inner: W, by_code: bool) -> Self {
        Self {
            inner,
            by_code,
            lost: None,
        }
    }

    /// What could not be written although the command went on.
    pub(crate) fn lost(&mut self) -> Option<io::Error> {
        self.lost.take()
    }

    /// A failure, as the command is to see it.
    fn heard<T>(&mut self, result: io::Result<T>, as_if: T) -> io::Result<T> {
        match result {
            Err(error) if self.by_code && error.kind() != ErrorKind::Interrupted => {
                if error.kind() != ErrorKind::BrokenPipe {
                    self.lost.get_or_insert(error);
                }
                Ok(as_if)
            }
            result => result,
        }
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes);
        self.heard(written, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.inner.flush();
        self.heard(flushed, ())
    }
}

/// Says something for people on standard error. Whoever has gone does not hear it, which is no reason to stop.
pub(crate) fn note(line: fmt::Arguments<'_>) {
    let _ignored = writeln!(io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails in one way.
    struct Fails(ErrorKind);

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn only_a_command_that_prints_ends_with_its_reader() {
        let (gone, full) = (ErrorKind::BrokenPipe, ErrorKind::StorageFull);
        for (kind, by_code, goes_on, lost) in [
            (gone, false, false, false),
            (gone, true, true, false),
            (full, false, false, false),
            (full, true, true, true),
        ] {
            let mut out = Output::new(Fails(kind), by_code);
            assert_eq!(writeln!(out, "a line").is_ok(), goes_on, "{kind} {by_code}");
            assert_eq!(out.flush().is_ok(), goes_on, "{kind} {by_code}");
            let error = out.lost().map(|error| error.kind());
            assert_eq!(error, lost.then_some(kind), "{kind} {by_code}");
        }
    }
}
