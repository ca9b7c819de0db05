//! Rows as a COPY sends them, each in a CopyData message of its own.

use arrow::datatypes::SchemaRef;
use bytes::{BufMut, BytesMut};

use super::super::encode::{Rows, put_sized};
use super::super::types::{Column, Format, columns};
use crate::error::Result;
use crate::session::{CopyForm, CopyStyle, Header};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: &[u8] = b"\xff\xff";

/// Writes one COPY.
pub(super) struct Writer {
    style: CopyStyle,
    pub(super) columns: Vec<Column>,
    names: Vec<String>,
    force_quote: Vec<bool>,
    cell: BytesMut,
    /// The binary form's signature is still to be sent. It goes with the first message, where clients look for it.
    is_unsigned: bool,
}

impl Writer {
    pub(super) fn new(schema: &SchemaRef, style: CopyStyle) -> Result<Self> {
        let is_unsigned = style.form == CopyForm::Binary;
        let format = i16::from(is_unsigned);
        let names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let force_quote = names.iter().map(|name| style.force_quote.includes(name)).collect();
        Ok(Self { columns: columns(schema.fields(), &[format])?, style, names, force_quote, cell: BytesMut::new(), is_unsigned })
    }

    pub(super) fn is_binary(&self) -> bool {
        self.style.form == CopyForm::Binary
    }

    /// What comes before the rows.
    pub(super) fn begin(&self, out: &mut BytesMut) -> Result<()> {
        if self.is_binary() || self.style.header == Header::No {
            return Ok(());
        }
        data(out, |out| {
            for (index, name) in self.names.iter().enumerate() {
                self.separate(index, out);
                self.put_value(name.as_bytes(), false, out);
            }
            out.put_u8(b'\n');
            Ok(())
        })
    }

    /// What comes behind the rows.
    pub(super) fn end(&self, out: &mut BytesMut) -> Result<()> {
        if !self.is_binary() {
            return Ok(());
        }
        data(out, |out| {
            self.sign(out);
            out.put_slice(TRAILER);
            Ok(())
        })
    }

    /// Appends one row. On an error the buffer is as before.
    pub(super) fn put(&mut self, rows: &Rows, row: usize, out: &mut BytesMut) -> Result<()> {
        let start = out.len();
        let mut cell = std::mem::take(&mut self.cell);
        let done = data(out, |out| match self.is_binary() {
            true => {
                self.sign(out);
                rows.put_tuple(row, out)
            }
            false => self.put_line(rows, row, &mut cell, out),
        });
        self.cell = cell;
        if done.is_err() {
            out.truncate(start);
        }
        self.is_unsigned = false;
        done
    }

    fn sign(&self, out: &mut BytesMut) {
        if self.is_unsigned {
            out.put_slice(SIGNATURE);
        }
    }

    fn put_line(&self, rows: &Rows, row: usize, cell: &mut BytesMut, out: &mut BytesMut) -> Result<()> {
        for index in 0..self.columns.len() {
            self.separate(index, out);
            cell.clear();
            match rows.put_value(index, row, cell)? {
                true => self.put_value(cell, self.force_quote.get(index).copied().unwrap_or(false), out),
                false => out.put_slice(self.style.null.as_bytes()),
            }
        }
        out.put_u8(b'\n');
        Ok(())
    }

    fn separate(&self, index: usize, out: &mut BytesMut) {
        if index > 0 {
            out.put_u8(self.style.delimiter);
        }
    }

    fn put_value(&self, value: &[u8], is_forced: bool, out: &mut BytesMut) {
        match self.style.form {
            CopyForm::Csv => self.put_csv(value, is_forced, out),
            CopyForm::Text | CopyForm::Binary => self.put_text(value, out),
        }
    }

    fn put_text(&self, value: &[u8], out: &mut BytesMut) {
        for byte in value {
            let letter = match byte {
                0x08 => b'b',
                0x0c => b'f',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                0x0b => b'v',
                b'\\' => b'\\',
                byte if *byte == self.style.delimiter => *byte,
                plain => {
                    out.put_u8(*plain);
                    continue;
                }
            };
            out.put_slice(&[b'\\', letter]);
        }
    }

    fn put_csv(&self, value: &[u8], is_forced: bool, out: &mut BytesMut) {
        let CopyStyle { delimiter, quote, escape, null, .. } = &self.style;
        let is_special = |byte: &u8| byte == delimiter || byte == quote || matches!(byte, b'\n' | b'\r');
        // Alone on its line it would be the end mark.
        let is_end_mark = self.columns.len() == 1 && value == b"\\.";
        if !is_forced && !is_end_mark && value != null.as_bytes() && !value.iter().any(is_special) {
            return out.put_slice(value);
        }
        out.put_u8(*quote);
        for byte in value {
            if byte == quote || byte == escape {
                out.put_u8(*escape);
            }
            out.put_u8(*byte);
        }
        out.put_u8(*quote);
    }

    pub(super) fn formats(&self) -> Vec<i16> {
        self.columns.iter().map(|column| i16::from(column.format == Format::Binary)).collect()
    }
}

fn data(out: &mut BytesMut, body: impl FnOnce(&mut BytesMut) -> Result<()>) -> Result<()> {
    out.put_u8(b'd');
    put_sized(out, 4, body)
}
