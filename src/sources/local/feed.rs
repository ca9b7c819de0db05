//! Files to blocks, on a thread of its own that stops as soon as nobody takes them.
//!
//! A file that cannot be read as a whole (damaged archive, foreign header) becomes one reject of rule `file`, and the others go on. A file that
//! changed since it was offered fails the read: the version that was promised is gone.

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc::Sender;
use weir_sql::statements::create_source::{Meta, SchemaChange};

use crate::error::{Code, Error, Result};
use crate::formats::{Block, BlockContent, ColumnSpec, Decoder, Input, Layout, Reject};
use crate::sources::contract::{FileKey, RawRecord};
use crate::stores::{Compression, Folder, decompressed};

pub(super) const BLOCK_BYTES: usize = 1 << 20;

/// How the files of a source are read.
#[derive(Clone)]
pub(super) struct Reading {
    pub folder: Folder,
    pub decoder: Arc<dyn Decoder>,
    pub columns: Arc<[ColumnSpec]>,
    pub includes: Vec<(Meta, String)>,
    /// As in `Compression::of`.
    pub compression: String,
    pub max_decompressed: Option<u64>,
    pub schema_change: SchemaChange,
    /// A file that cannot be read to its end fails the read; otherwise it becomes one reject, and the others go on.
    pub must_be_sound: bool,
    /// What the start of a file said that is gone.
    pub known_layout: Option<Arc<Layout>>,
}

impl Reading {
    fn unpacked(&self, place: &PathBuf, compression: Compression) -> Result<Box<dyn Read + Send>> {
        std::fs::File::open(place).and_then(|file| decompressed(file, compression, self.max_decompressed)).map_err(unreadable)
    }

    /// What the start of a dead letter's own file says about its records, if the file is still there.
    pub(super) fn layout(&self, path: &str) -> Option<Arc<Layout>> {
        if let Some(known) = &self.known_layout {
            return Some(Arc::clone(known));
        }
        let (place, _, _) = self.folder.open(path).ok()?;
        let input = match Compression::of(&self.compression, path) {
            Compression::None => Input::File(place),
            compression => Input::Stream(self.unpacked(&place, compression).ok()?),
        };
        let mut blocks = self.decoder.blocks(input, &[], BLOCK_BYTES).ok()?;
        blocks.next()?.ok()?.layout
    }
}

/// What to read.
#[derive(Debug, Clone)]
pub(super) enum Item {
    File {
        path: String,
        /// The version that was offered; None reads whatever is there.
        etag: Option<String>,
        /// That version in the ledger.
        entry: Option<FileKey>,
    },
    Record(RawRecord),
}

/// A block and the file it comes from.
pub(super) struct Work {
    pub source: Arc<str>,
    pub entry: Option<FileKey>,
    pub block: Block,
}

/// Nobody wants more.
struct Stopped;

pub(super) struct Feeder {
    pub reading: Arc<Reading>,
    pub items: Arc<[Item]>,
    /// Whether a file that cannot be read becomes a reject; without a place for rejects it is an error.
    pub keeps_rejects: bool,
    pub sender: Sender<Result<Work>>,
}

impl Feeder {
    /// Reads everything, until it is done, something fails or the receiver is gone.
    pub(super) fn run(self) {
        let mut layouts: HashMap<&str, Option<Arc<Layout>>> = HashMap::new();
        for item in self.items.iter() {
            let outcome = match item {
                Item::File { path, etag, entry } => self.file(path, etag.as_deref(), *entry),
                Item::Record(record) => {
                    let layout = layouts.entry(record.source.as_str()).or_insert_with(|| self.reading.layout(&record.source)).clone();
                    self.record(record, layout)
                }
            };
            match outcome {
                Ok(Ok(())) => {}
                Ok(Err(Stopped)) => return,
                Err(error) => {
                    // When the receiver is gone there is nobody to tell.
                    let _ = self.sender.blocking_send(Err(error));
                    return;
                }
            }
        }
    }

    fn send(&self, source: &Arc<str>, entry: Option<FileKey>, block: Block) -> Result<(), Stopped> {
        self.sender.blocking_send(Ok(Work { source: source.clone(), entry, block })).map_err(|_| Stopped)
    }

    fn file(&self, path: &str, etag: Option<&str>, entry: Option<FileKey>) -> Result<Result<(), Stopped>> {
        let source: Arc<str> = path.into();
        let outcome = match self.blocks(path, etag)? {
            Ok(blocks) => self.pump(&source, entry, blocks),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(Stopped)) => return Ok(Err(Stopped)),
            Err(error) if error.code() == Code::DataException && self.keeps_rejects => {
                // What looks like damage may be somebody writing: then the next try sees the new version.
                self.check(path, etag)?;
                return Ok(self.send(&source, entry, refused_file(&error)));
            }
            Err(error) => return Err(named(path, &error)),
        }
        self.check(path, etag)?;
        Ok(Ok(()))
    }

    fn pump(
        &self,
        source: &Arc<str>,
        entry: Option<FileKey>,
        blocks: Box<dyn Iterator<Item = Result<Block>> + Send>,
    ) -> Result<Result<(), Stopped>> {
        for block in blocks {
            if self.send(source, entry, block?).is_err() {
                return Ok(Err(Stopped));
            }
        }
        Ok(Ok(()))
    }

    fn check(&self, path: &str, etag: Option<&str>) -> Result<()> {
        match etag {
            Some(etag) if self.reading.folder.etag(path)? != etag => Err(changed(path)),
            _ => Ok(()),
        }
    }

    /// The outer error is about the file's place or version, the inner one about its content.
    fn blocks(&self, path: &str, etag: Option<&str>) -> Result<Result<Box<dyn Iterator<Item = Result<Block>> + Send>>> {
        let Reading { folder, decoder, columns, .. } = self.reading.as_ref();
        let (place, file, now) = folder.open(path)?;
        if etag.is_some_and(|etag| etag != now) {
            return Err(changed(path));
        }
        let compression = Compression::of(&self.reading.compression, path);
        if compression == Compression::None {
            return Ok(decoder.blocks(Input::File(place), columns, BLOCK_BYTES));
        }
        drop(file);
        // Half a damaged archive must not land, so it is read through once before.
        if self.keeps_rejects
            && let Err(error) = self.reading.unpacked(&place, compression).and_then(read_through)
        {
            return Ok(Err(error));
        }
        Ok(self.reading.unpacked(&place, compression).and_then(|plain| decoder.blocks(Input::Stream(plain), columns, BLOCK_BYTES)))
    }

    fn record(&self, record: &RawRecord, layout: Option<Arc<Layout>>) -> Result<Result<(), Stopped>> {
        let RawRecord { raw, source, position } = record;
        let content = if raw.is_empty() {
            BlockContent::Refused(Reject {
                rule: "file".to_owned(),
                error: "the dead letter stands for a whole file; deliver the file again".to_owned(),
                raw: Vec::new(),
                position: *position,
            })
        } else {
            BlockContent::Bytes(raw.clone().into())
        };
        Ok(self.send(&source.as_str().into(), None, Block { first_position: *position, layout, content }))
    }
}

fn read_through(mut plain: Box<dyn Read + Send>) -> Result<()> {
    std::io::copy(&mut plain, &mut std::io::sink()).map(|_| ()).map_err(unreadable)
}

fn unreadable(error: std::io::Error) -> Error {
    let code = if error.kind() == std::io::ErrorKind::InvalidData { Code::DataException } else { Code::Io };
    Error::new(code, "the file cannot be read to its end").detail(error.to_string()).caused_by(error)
}

fn changed(path: &str) -> Error {
    Error::new(Code::DataException, format!("file \"{path}\" changed after it was offered"))
        .hint("Its new version is read by the next run. Set settle longer than writing a file takes.".to_owned())
}

fn named(path: &str, error: &Error) -> Error {
    let mut named = Error::new(error.code(), format!("file \"{path}\" cannot be read: {}", error.message()))
        .hint(error.hint_text().map(str::to_owned))
        .caused_by(error.clone());
    if let Some(detail) = error.detail_text() {
        named = named.detail(detail);
    }
    named
}

fn refused_file(error: &Error) -> Block {
    let message = match error.detail_text() {
        Some(detail) => format!("{}: {detail}", error.message()),
        None => error.message().to_owned(),
    };
    let reject = Reject { rule: "file".to_owned(), error: message, raw: Vec::new(), position: 0 };
    Block { first_position: 0, layout: None, content: BlockContent::Refused(reject) }
}
