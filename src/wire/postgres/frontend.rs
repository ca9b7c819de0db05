//! Messages of a client, decoded from the body of one frame.
//!
//! Every read is checked against the end of the frame: a client's count or length never sizes an allocation, and a message
//! that lies about itself is an error and nothing else. The library's own decoder is not used because it trusts them.

use bytes::Bytes;

use crate::error::{Code, Error, Result};

/// What a client may say once it is in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    Query(String),
    Parse {
        name: String,
        text: String,
        oids: Vec<u32>,
    },
    Bind(Bind),
    Describe(Target),
    Execute {
        portal: String,
        max_rows: i32,
    },
    Close(Target),
    Flush,
    Sync,
    Terminate,
    FunctionCall,
    /// CopyData, CopyDone and CopyFail outside of a COPY: ignored, as PostgreSQL does after a failed one.
    Copy,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bind {
    pub(super) portal: String,
    pub(super) statement: String,
    pub(super) parameter_formats: Vec<i16>,
    pub(super) parameters: Vec<Option<Bytes>>,
    pub(super) result_formats: Vec<i16>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    Statement(String),
    Portal(String),
}

/// The longest body a frame of this type may have; `None` for a type that no client sends.
pub(super) fn max_body_bytes(kind: u8) -> Option<usize> {
    match kind {
        b'Q' | b'P' | b'B' | b'd' | b'F' => Some(64 * 1024 * 1024),
        b'D' | b'E' | b'C' | b'H' | b'S' | b'X' | b'c' | b'f' => Some(10_000),
        _ => None,
    }
}

/// Decodes the body of a frame whose type `max_body_bytes` knows.
///
/// # Errors
/// `Protocol` when the body is too short or has bytes left over; `InvalidText` when a text is not UTF-8.
pub(super) fn decode(kind: u8, body: Bytes) -> Result<Message> {
    let mut body = Body(body);
    let message = match kind {
        b'Q' => Message::Query(body.text()?),
        b'P' => Message::Parse { name: body.text()?, text: body.text()?, oids: body.list(Body::u32)? },
        b'B' => Message::Bind(body.bind()?),
        b'D' => Message::Describe(body.target()?),
        b'E' => Message::Execute { portal: body.text()?, max_rows: body.i32()? },
        b'C' => Message::Close(body.target()?),
        b'H' => Message::Flush,
        b'S' => Message::Sync,
        b'X' => Message::Terminate,
        b'F' => return Ok(Message::FunctionCall),
        _ => return Ok(Message::Copy),
    };
    body.finish()?;
    Ok(message)
}

/// What is left of a frame.
pub(super) struct Body(pub(super) Bytes);

impl Body {
    fn bind(&mut self) -> Result<Bind> {
        Ok(Bind {
            portal: self.text()?,
            statement: self.text()?,
            parameter_formats: self.list(Self::i16)?,
            parameters: self.list(Self::value)?,
            result_formats: self.list(Self::i16)?,
        })
    }

    fn target(&mut self) -> Result<Target> {
        match self.array::<1>()? {
            [b'S'] => Ok(Target::Statement(self.text()?)),
            [b'P'] => Ok(Target::Portal(self.text()?)),
            [other] => Err(Error::new(Code::Protocol, format!("invalid message subtype {other}"))),
        }
    }

    /// A length of 16 bits, then as many items. The vector grows with the items that are really there.
    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = u16::from_be_bytes(self.array()?);
        (0..count).map(|_| item(self)).collect()
    }

    /// A length of 32 bits, then as many bytes; -1 is NULL.
    pub(super) fn value(&mut self) -> Result<Option<Bytes>> {
        let length = self.i32()?;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| short())?;
        if length > self.0.len() {
            return Err(short());
        }
        Ok(Some(self.0.split_to(length)))
    }

    /// Bytes up to a NUL.
    pub(super) fn text(&mut self) -> Result<String> {
        let end = memchr::memchr(0, &self.0).ok_or_else(|| Error::new(Code::Protocol, "invalid string in message"))?;
        let text = self.0.split_to(end);
        self.0 = self.0.slice(1..);
        utf8(&text).map(str::to_owned)
    }

    pub(super) fn i32(&mut self) -> Result<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let bytes = *self.0.first_chunk::<N>().ok_or_else(short)?;
        self.0 = self.0.slice(N..);
        Ok(bytes)
    }

    fn i16(&mut self) -> Result<i16> {
        self.array().map(i16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn finish(&self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::new(Code::Protocol, "invalid message format")) }
    }
}

pub(super) fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| {
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        Error::new(Code::InvalidEncoding, format!("invalid byte sequence for encoding \"UTF8\": 0x{byte:02x}"))
    })
}

fn short() -> Error {
    Error::new(Code::Protocol, "insufficient data left in message")
}
