//! Other encodings as UTF-8, while reading.
//!
//! A sequence that means nothing in its encoding becomes a byte that is not UTF-8, so that its record is turned away and nothing is guessed.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE, WINDOWS_1252};

const CHUNK: usize = 64 << 10;
const BOM: &[u8] = b"\xEF\xBB\xBF";
const NOT_UTF8: u8 = 0xFF;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Auto,
    Utf8,
    Latin1,
    Windows1252,
    Utf16Le,
    Utf16Be,
}

impl Encoding {
    pub(super) const WORDS: &'static [&'static str] =
        &["auto", "utf8", "utf-8", "latin1", "iso-8859-1", "windows-1252", "utf16le", "utf-16le", "utf16be", "utf-16be"];

    /// The encoding of one of `WORDS`.
    pub(super) fn from_word(word: &str) -> Self {
        match word {
            "utf8" | "utf-8" => Encoding::Utf8,
            "latin1" | "iso-8859-1" => Encoding::Latin1,
            "windows-1252" => Encoding::Windows1252,
            "utf16le" | "utf-16le" => Encoding::Utf16Le,
            "utf16be" | "utf-16be" => Encoding::Utf16Be,
            _ => Encoding::Auto,
        }
    }
}

/// The same text in UTF-8, without a mark at the start.
pub(super) fn utf8(mut input: Box<dyn Read + Send>, encoding: Encoding) -> io::Result<Box<dyn Read + Send>> {
    let mut start = Vec::with_capacity(4);
    input.by_ref().take(3).read_to_end(&mut start)?;
    let encoding = match (encoding, start.as_slice()) {
        (Encoding::Auto, [0xFF, 0xFE, ..]) => Encoding::Utf16Le,
        (Encoding::Auto, [0xFE, 0xFF, ..]) => Encoding::Utf16Be,
        (Encoding::Auto, _) => Encoding::Utf8,
        (given, _) => given,
    };
    let decoder = match encoding {
        Encoding::Auto | Encoding::Utf8 => {
            if start == BOM {
                start.clear();
            }
            return Ok(Box::new(io::Cursor::new(start).chain(input)));
        }
        Encoding::Latin1 => None,
        Encoding::Windows1252 => Some(WINDOWS_1252.new_decoder_without_bom_handling()),
        Encoding::Utf16Le => Some(UTF_16LE.new_decoder_with_bom_removal()),
        Encoding::Utf16Be => Some(UTF_16BE.new_decoder_with_bom_removal()),
    };
    let input: Box<dyn Read + Send> = Box::new(io::Cursor::new(start).chain(input));
    Ok(Box::new(Transcoder { input, decoder, raw: vec![0; CHUNK], ready: Vec::new(), given: 0, over: false }))
}

struct Transcoder {
    input: Box<dyn Read + Send>,
    /// None is ISO 8859-1, which encoding_rs takes for Windows-1252.
    decoder: Option<Decoder>,
    raw: Vec<u8>,
    ready: Vec<u8>,
    given: usize,
    over: bool,
}

impl Transcoder {
    fn refill(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.given = 0;
        let read = self.input.read(&mut self.raw)?;
        self.over = read == 0;
        let raw = self.raw.get(..read).unwrap_or_default();
        match &mut self.decoder {
            None => self.ready.extend_from_slice(encoding_rs::mem::decode_latin1(raw).as_bytes()),
            Some(decoder) => transcode(decoder, raw, self.over, &mut self.ready),
        }
        Ok(())
    }
}

fn transcode(decoder: &mut Decoder, mut raw: &[u8], last: bool, ready: &mut Vec<u8>) {
    let mut text = String::new();
    loop {
        text.reserve(decoder.max_utf8_buffer_length_without_replacement(raw.len()).unwrap_or(raw.len().saturating_mul(3)));
        let (result, read) = decoder.decode_to_string_without_replacement(raw, &mut text, last);
        raw = raw.get(read..).unwrap_or_default();
        ready.extend_from_slice(text.as_bytes());
        text.clear();
        match result {
            DecoderResult::InputEmpty => return,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => ready.push(NOT_UTF8),
        }
    }
}

impl Read for Transcoder {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given >= self.ready.len() && !self.over {
            self.refill()?;
        }
        let waiting = self.ready.get(self.given..).unwrap_or_default();
        let count = waiting.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..count), waiting.get(..count)) {
            to.copy_from_slice(from);
        }
        self.given += count;
        Ok(count)
    }
}
