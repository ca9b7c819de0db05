//! Gzip and Zstandard while reading, with a guard against archives that blow up.
//!
//! Unless a limit is given, a file may grow to 200 times its size and to 64 GiB; small files may grow to 64 MiB whatever their ratio.

use std::io::{self, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const MAX_RATIO: u64 = 200;
const FREE_BYTES: u64 = 64 << 20;
const MAX_BYTES: u64 = 64 << 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// What the option says, or with `auto` what the file's name says.
    pub fn of(option: &str, path: &str) -> Self {
        let lower = path.to_ascii_lowercase();
        match option {
            "none" => Compression::None,
            "gzip" => Compression::Gzip,
            "zstd" => Compression::Zstd,
            _ if lower.ends_with(".gz") || lower.ends_with(".gzip") => Compression::Gzip,
            _ if lower.ends_with(".zst") || lower.ends_with(".zstd") => Compression::Zstd,
            _ => Compression::None,
        }
    }
}

/// The plain bytes of a file. Damage and excess are errors of kind `InvalidData`.
pub fn decompressed(input: impl Read + Send + 'static, compression: Compression, limit: Option<u64>) -> io::Result<Box<dyn Read + Send>> {
    let packed = Arc::new(AtomicU64::new(0));
    let counted = BufReader::with_capacity(128 << 10, Counted { input, count: packed.clone() });
    let inner: Box<dyn Read + Send> = match compression {
        Compression::None => return Ok(Box::new(counted)),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(counted)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(counted)?),
    };
    Ok(Box::new(Guarded { inner, packed, unpacked: 0, limit }))
}

struct Counted<R> {
    input: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(out)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

struct Guarded {
    inner: Box<dyn Read + Send>,
    packed: Arc<AtomicU64>,
    unpacked: u64,
    limit: Option<u64>,
}

impl Read for Guarded {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => io::Error::new(io::ErrorKind::InvalidData, format!("the archive is damaged: {error}")),
        })?;
        self.unpacked += read as u64;
        let packed = self.packed.load(Ordering::Relaxed);
        let is_excess = match self.limit {
            Some(limit) => self.unpacked > limit,
            None => self.unpacked > MAX_BYTES || (self.unpacked > FREE_BYTES && self.unpacked / MAX_RATIO > packed),
        };
        if is_excess {
            let message =
                format!("the archive grows beyond what is allowed ({} bytes from {packed}); see option max_decompressed", self.unpacked);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(read)
    }
}
