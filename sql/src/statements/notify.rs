//! `LISTEN channel`, `UNLISTEN {channel | *}`, `NOTIFY channel [, 'payload']`

use sqlparser::tokenizer::Token;

use crate::Ident;
use crate::cursor::Cursor;
use crate::error::Result;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bus {
    Listen(Ident),
    /// `None` for `*`.
    Unlisten(Option<Ident>),
    Notify {
        channel: Ident,
        payload: Option<String>,
    },
}

impl Bus {
    pub(super) fn parse_listen(p: &mut Cursor<'_>) -> Result<Self> {
        Ok(Self::Listen(p.ident()?))
    }

    pub(super) fn parse_unlisten(p: &mut Cursor<'_>) -> Result<Self> {
        if p.symbol(&Token::Mul) {
            return Ok(Self::Unlisten(None));
        }
        Ok(Self::Unlisten(Some(p.ident()?)))
    }

    pub(super) fn parse_notify(p: &mut Cursor<'_>) -> Result<Self> {
        let channel = p.ident()?;
        let payload = if p.symbol(&Token::Comma) { Some(p.string()?) } else { None };
        Ok(Self::Notify { channel, payload })
    }
}
