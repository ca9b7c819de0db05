//! The `weir` program.

use std::process::ExitCode;

/// Planning allocates many small things, runs give back large ones: the system's allocator is slower at the first and keeps the second.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let _points = weir::arm_fail_points();
    weir::run(std::env::args_os())
}
