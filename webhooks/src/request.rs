//! A request as it was received, borrowed from the server.

use std::net::IpAddr;

use crate::name::Name;
use crate::query;
use crate::verdict::Refusal;

/// What a scheme may look at. Nothing in here was decoded, trimmed or joined.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// In upper case, as HTTP has it.
    pub method: &'a str,
    /// `https` or `http`, as this server was spoken to; a proxy's sender may have used another.
    pub scheme: &'a str,
    /// The Host header or `:authority`, with the port if it had one.
    pub host: &'a str,
    /// From the first slash to the question mark, as on the request line.
    pub path: &'a str,
    /// Behind the question mark; None when there was none.
    pub query: Option<&'a str>,
    /// In the order of the request, with duplicates. Names in any case.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// Before any decompression or parsing.
    pub body: &'a [u8],
    /// The sender, not a proxy in between: that is for the server to know.
    pub remote: IpAddr,
    /// Milliseconds since 1970.
    pub now_ms: i64,
}

impl<'a> Request<'a> {
    /// The one value of a header.
    ///
    /// # Errors
    /// `MissingHeader`, `RepeatedHeader`, and `MalformedHeader` for anything but visible ASCII and inner spaces.
    pub fn header(&self, name: &Name) -> Result<&'a str, Refusal> {
        let mut values = self.headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name.as_str())).map(|(_, value)| *value);
        let value = values.next().ok_or_else(|| Refusal::MissingHeader(name.clone()))?;
        if values.next().is_some() {
            return Err(Refusal::RepeatedHeader(name.clone()));
        }
        let visible = value.iter().all(|byte| (b' '..=b'~').contains(byte)) && value.trim_ascii() == value && !value.is_empty();
        match std::str::from_utf8(value) {
            Ok(text) if visible => Ok(text),
            _ => Err(Refusal::MalformedHeader(name.clone())),
        }
    }

    /// The one value of a query parameter, decoded.
    ///
    /// # Errors
    /// `MissingParameter`, `RepeatedParameter`, and `MalformedParameter` for one that is empty or not UTF-8.
    pub fn parameter(&self, name: &Name) -> Result<String, Refusal> {
        let query = self.query.unwrap_or_default();
        let mut values = query::pairs(query.as_bytes())
            .filter(|(given, _)| query::decode(given).as_deref() == Some(name.as_str()))
            .map(|(_, value)| value);
        let value = values.next().ok_or_else(|| Refusal::MissingParameter(name.clone()))?;
        match (values.next(), query::decode(value)) {
            (Some(_), _) => Err(Refusal::RepeatedParameter(name.clone())),
            (None, Some(text)) if !text.is_empty() => Ok(text),
            (None, _) => Err(Refusal::MalformedParameter(name.clone())),
        }
    }

    /// Path and query as on the request line.
    pub(crate) fn target(&self) -> String {
        match self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.to_owned(),
        }
    }
}
