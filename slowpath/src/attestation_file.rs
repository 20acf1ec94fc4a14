//! What the checker of attestations keeps for the next start: one file in the state folder.

use crate::attesting::Kept;
use attestation::Checker;
use journal::ArchiveReader;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use topology::Config;

const NAME: &str = "attestations";
const UNFINISHED: &str = "attestations.unfinished";
/// More than all sessions that a shard can have need: 2^24 sessions, 96 bytes each.
const MOST_BYTES: u64 = 1 << 31;

/// The file, which one slowpath writes: it holds the region `slow` of its instance.
#[derive(Debug)]
pub struct AttestationFile {
    path: PathBuf,
    unfinished: PathBuf,
}

impl AttestationFile {
    /// Of an instance.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let folder = config.state_dir();
        Self {
            path: folder.join(NAME),
            unfinished: folder.join(UNFINISHED),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was written last, if the archive has its frame; none if there is no file.
    ///
    /// # Errors
    /// Why it is not used.
    pub fn load(&self, config: &Config) -> Result<Option<Kept>, String> {
        let bytes = match self.read() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let shard = config.instance.shard;
        let (checker, place) = Checker::of(&bytes, shard).map_err(|error| error.to_string())?;
        let of_archive = |error: journal::ArchiveError| error.brief().to_string();
        let archive = ArchiveReader::open(&config.archive_dir(), shard);
        let mut archive = archive.map_err(of_archive)?;
        archive.seek(place.seq).map_err(of_archive)?;
        match archive.next_frame().map_err(of_archive)? {
            Some(frame) if frame.crc == place.crc => Ok(Some((checker, place))),
            Some(_) | None => Err(format!(
                "it was written behind another frame than the archive's of seq {}",
                place.seq
            )),
        }
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        // A pipe in its place would be waited for.
        if !fs::metadata(&self.path)?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let mut bytes = Vec::new();
        let file = File::open(&self.path)?;
        file.take(MOST_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes it anew: whoever dies meanwhile leaves the one before.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, state: &[u8]) -> io::Result<()> {
        // Removed first, not overwritten: what has this name may lead elsewhere.
        match fs::remove_file(&self.unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = File::create_new(&self.unfinished)?;
        file.write_all(state)?;
        file.sync_all()?;
        fs::rename(&self.unfinished, &self.path)?;
        let folder = self.path.parent().unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}
