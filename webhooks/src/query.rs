//! Percent encoding: of query strings, of forms, and the little of it that HubSpot undoes before signing.

/// The name-value pairs of a query string or a form, still encoded. Empty pieces, as in `a=1&&b=2`, are passed over.
pub(crate) fn pairs(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()).map(|piece| {
        let mut halves = piece.splitn(2, |byte| *byte == b'=');
        (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
    })
}

/// The text of an encoded name or value: `+` is a space. None when an escape is cut or the bytes are no UTF-8.
pub(crate) fn decode(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => nibble(*rest.next()?)? << 4 | nibble(*rest.next()?)?,
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Whether each `%` has its two digits.
pub(crate) fn escapes_are_whole(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'%').skip(1).all(|behind| matches!(behind, [high, low, ..] if nibble(*high).and(nibble(*low)).is_some()))
}

/// Puts back the characters named, leaving every other escape as it is.
pub(crate) fn decode_only(text: &str, characters: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => nibble(*high).zip(nibble(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        match escaped.filter(|byte| characters.contains(byte)) {
            Some(byte) => {
                bytes.push(byte);
                rest = rest.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    bytes
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
