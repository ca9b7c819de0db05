//! The `weir` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    let _points = weir::arm_fail_points();
    weir::run(std::env::args_os())
}
