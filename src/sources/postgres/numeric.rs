//! `numeric` in binary: groups of four decimal digits, to a decimal of fixed scale or to text.

/// Why a value is not a decimal of the wanted kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    Malformed,
    /// NaN or an infinity.
    NotFinite,
    Range,
    /// It has digits behind the last one kept, and may not be rounded.
    Digits,
}

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITE: u16 = 0xd000;
const MINUS_INFINITE: u16 = 0xf000;

struct Numeric<'a> {
    /// Power of 10,000 of the first group.
    weight: i32,
    sign: u16,
    /// Digits after the point that are shown.
    shown: u16,
    groups: &'a [u8],
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

impl<'a> Numeric<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let count = usize::from(short(bytes, 0)?);
        let groups = bytes.get(8..)?;
        let weight = i32::from(i16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
        (groups.len() == count * 2).then_some(Self { weight, sign: short(bytes, 4)?, shown: short(bytes, 6)?, groups })
    }

    fn groups(&self) -> impl Iterator<Item = u16> + '_ {
        self.groups.chunks_exact(2).map(|two| match two {
            [high, low] => u16::from_be_bytes([*high, *low]),
            _ => 0,
        })
    }
}

/// The unscaled value with `scale` digits after the point, rounded half away from zero.
pub(super) fn decimal(bytes: &[u8], precision: u8, scale: i8, is_exact: bool) -> Result<i128, Unfit> {
    let number = Numeric::read(bytes).ok_or(Unfit::Malformed)?;
    if matches!(number.sign, NAN | INFINITE | MINUS_INFINITE) {
        return Err(Unfit::NotFinite);
    }
    let mut value: i128 = 0;
    // Power of ten of the group at hand, counted from the last digit kept.
    let mut power = 4 * number.weight + i32::from(scale);
    let mut up = false;
    let mut is_rounded = false;
    for group in number.groups() {
        let group_value = i128::from(group);
        if power >= 0 {
            value = value.checked_mul(10_000).and_then(|v| v.checked_add(group_value)).ok_or(Unfit::Range)?;
        } else if power > -4 {
            let cut = 10_i128.pow(power.unsigned_abs());
            value = value.checked_mul(10_000 / cut).and_then(|v| v.checked_add(group_value / cut)).ok_or(Unfit::Range)?;
            up = group_value % cut * 2 >= cut;
            is_rounded |= group_value % cut != 0;
        } else {
            up |= power == -4 && group >= 5_000;
            is_rounded |= group != 0;
        }
        power -= 4;
    }
    if power > -4 && value != 0 {
        // Groups that are zero at the end do not travel.
        let factor = 10_i128.checked_pow((power + 4).unsigned_abs()).ok_or(Unfit::Range)?;
        value = value.checked_mul(factor).ok_or(Unfit::Range)?;
    }
    if is_exact && is_rounded {
        return Err(Unfit::Digits);
    }
    value += i128::from(up);
    if value >= 10_i128.checked_pow(u32::from(precision)).unwrap_or(i128::MAX) {
        return Err(Unfit::Range);
    }
    Ok(if number.sign == NEGATIVE { -value } else { value })
}

/// As the server shows it.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let number = Numeric::read(bytes)?;
    match number.sign {
        NAN => return Some("NaN".to_owned()),
        INFINITE => return Some("Infinity".to_owned()),
        MINUS_INFINITE => return Some("-Infinity".to_owned()),
        _ => {}
    }
    let groups: Vec<u16> = number.groups().collect();
    let group = |index: i32| usize::try_from(index).ok().and_then(|index| groups.get(index)).copied().unwrap_or(0);
    let mut text = String::new();
    for index in 0..=number.weight.max(0) {
        // With a negative weight the only group before the point is a zero that is not there.
        let digits = if number.weight < 0 { 0 } else { group(index) };
        text.push_str(&format!("{digits:04}"));
    }
    let mut text = text.trim_start_matches('0').to_owned();
    if text.is_empty() {
        text.push('0');
    }
    let shown = usize::from(number.shown);
    if shown > 0 {
        let mut fraction = String::new();
        let mut index = number.weight + 1;
        if number.weight < 0 {
            for _ in 0..(-1 - number.weight) {
                fraction.push_str("0000");
            }
            index = 0;
        }
        while fraction.len() < shown {
            fraction.push_str(&format!("{:04}", group(index)));
            index += 1;
        }
        fraction.truncate(shown);
        text = format!("{text}.{fraction}");
    }
    Some(if number.sign == NEGATIVE { format!("-{text}") } else { text })
}
