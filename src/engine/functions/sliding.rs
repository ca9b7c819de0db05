//! Sums and averages of floats over a frame that moves.
//!
//! A value that leaves the frame cannot be subtracted: NaN and Infinity stay for ever, and beside a large number the small ones are lost. So the
//! frame keeps its values, in two stacks with the totals of what lies below, and a total costs one addition whatever the frame holds. Few values
//! are added up one after the other, as PostgreSQL does, so that the last digit is its too.

use std::fmt::Debug;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::Accumulator;

/// So many are added up anew for each row.
const FEW: usize = 32;

/// What a frame's values give.
#[derive(Debug, Clone, Copy)]
pub(super) enum Total {
    Sum,
    Average,
}

/// The sum or the average of `data_type` over a frame that moves.
pub(super) fn sliding(total: Total, data_type: DataType) -> Box<dyn Accumulator> {
    Box::new(Sliding { total, data_type, frame: Frame::default() })
}

/// Values in the order in which they came.
#[derive(Debug, Default)]
struct Frame {
    /// The older ones, oldest last, each with the sum of itself and all that are newer here.
    old: Vec<(f64, f64)>,
    new: Vec<f64>,
    sum_of_new: f64,
}

impl Frame {
    fn len(&self) -> usize {
        self.old.len() + self.new.len()
    }

    fn push(&mut self, value: f64) {
        self.sum_of_new += value;
        self.new.push(value);
    }

    fn pop(&mut self) {
        if self.old.is_empty() {
            let mut sum = 0.0;
            while let Some(value) = self.new.pop() {
                sum += value;
                self.old.push((value, sum));
            }
            self.sum_of_new = 0.0;
        }
        self.old.pop();
    }

    fn sum(&self) -> f64 {
        match self.len() <= FEW {
            true => self.old.iter().rev().map(|(value, _)| value).chain(&self.new).sum(),
            false => self.old.last().map_or(0.0, |(_, sum)| *sum) + self.sum_of_new,
        }
    }
}

#[derive(Debug)]
struct Sliding {
    total: Total,
    data_type: DataType,
    frame: Frame,
}

fn doubles(values: &[ArrayRef]) -> Result<ArrayRef> {
    match values.first() {
        Some(values) => Ok(cast(values, &DataType::Float64)?),
        None => Err(DataFusionError::Internal("a frame was given nothing".to_owned())),
    }
}

impl Accumulator for Sliding {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in doubles(values)?.as_primitive::<Float64Type>().iter().flatten() {
            self.frame.push(value);
        }
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = doubles(values)?;
        for _ in 0..values.len() - values.null_count() {
            self.frame.pop();
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let value = match (self.frame.len(), self.total) {
            (0, _) => None,
            (_, Total::Sum) => Some(self.frame.sum()),
            #[expect(clippy::cast_precision_loss, reason = "no frame holds that many rows")]
            (count, Total::Average) => Some(self.frame.sum() / count as f64),
        };
        ScalarValue::Float64(value).cast_to(&self.data_type)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.frame.old.capacity() * size_of::<(f64, f64)>() + self.frame.new.capacity() * size_of::<f64>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Err(DataFusionError::Internal("a frame that moves has no state to be merged".to_owned()))
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        Err(DataFusionError::Internal("a frame that moves has no state to be merged".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn what_left_the_frame_is_forgotten() {
        let (mut frame, mut kept) = (Frame::default(), VecDeque::new());
        for step in 0..2_000_u32 {
            let value = match step % 400 {
                7 => f64::NAN,
                11 => f64::INFINITY,
                13 => f64::NEG_INFINITY,
                other => f64::from(other),
            };
            frame.push(value);
            kept.push_back(value);
            while kept.len() > usize::try_from(step % 90).unwrap() {
                frame.pop();
                kept.pop_front();
            }
            let (sum, expected) = (frame.sum(), kept.iter().sum::<f64>());
            assert!(sum == expected || (sum.is_nan() && expected.is_nan()), "{sum} for {expected} at {step}");
        }
    }
}
