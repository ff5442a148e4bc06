//! The pages of the program itself, and of its stack.

use std::ffi::{c_int, c_void};
use std::fs;

use libc::{PF_W, PT_LOAD, dl_phdr_info, size_t};

/// Gives the pages of code and constants back that were touched until now, and those of the stack
/// that are not in use any more. Reading a configuration touches most of the program and goes deep;
/// what runs afterwards is a small part of it. What is used again is mapped again: it has stayed in
/// the page cache.
pub fn forget_touched() {
    let mut segments = Segments::default();
    // SAFETY: the callback keeps to the signature, and gets what it expects.
    unsafe {
        libc::dl_iterate_phdr(Some(note_segments), (&raw mut segments).cast());
    }
    // Both are found out before: that touches more of the program.
    let stack = unused_stack();
    for range in segments.0.into_iter().flatten().chain(stack) {
        forget(range);
    }
}

/// From the first octet of a page to behind the last octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    begin: usize,
    end: usize,
}

/// The first ones are enough: a program has three or four.
#[derive(Debug, Default)]
struct Segments([Option<Range>; 8]);

/// Segments of the program that are as in the file.
unsafe extern "C" fn note_segments(
    object: *mut dl_phdr_info,
    _size: size_t,
    data: *mut c_void,
) -> c_int {
    // SAFETY: the C library passes a valid object, with as many headers as it says, and what it was
    // given by the only caller.
    let (base, headers, Segments(noted)) = unsafe {
        let object = &*object;
        let count = usize::from(object.dlpi_phnum);
        (
            object.dlpi_addr,
            std::slice::from_raw_parts(object.dlpi_phdr, count),
            &mut *data.cast::<Segments>(),
        )
    };
    // What is writable has been written to: relocations.
    let unchanged = headers
        .iter()
        .filter(|header| header.p_type == PT_LOAD && header.p_flags & PF_W == 0);
    for (header, place) in unchanged.zip(noted) {
        let in_memory = |address| usize::try_from(address).expect("it is in memory");
        let begin = in_memory(base + header.p_vaddr);
        *place = Some(Range {
            begin: page_of(begin),
            end: begin + in_memory(header.p_memsz),
        });
    }
    FIRST_IS_ENOUGH
}

/// What is below the frames in use. None on a stack that is not the process's first.
fn unused_stack() -> Option<Range> {
    let here = 0_u8;
    let here = (&raw const here).addr();
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let stack = maps.lines().find(|line| line.ends_with("[stack]"))?;
    let (begin, rest) = stack.split_once('-')?;
    let (end, _) = rest.split_once(' ')?;
    let begin = usize::from_str_radix(begin, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    let unused = Range {
        begin,
        end: page_of(here).checked_sub(STILL_TO_BE_USED)?,
    };
    ((begin..end).contains(&here) && unused.begin < unused.end).then_some(unused)
}

/// An error leaves things as they were.
fn forget(range: Range) {
    let Range { begin, end } = range;
    // SAFETY: either a read-only mapping of a file that nobody has written to, whose pages are read
    // from the file again; or a part of the stack that no frame is in.
    unsafe {
        libc::madvise(begin as *mut c_void, end - begin, libc::MADV_DONTNEED);
    }
}

fn page_of(address: usize) -> usize {
    address & !(PAGE - 1)
}

/// Smaller than any; the kernel takes the beginning of one.
const PAGE: usize = 4096;
/// By the frames of this module, which are below the one that is looked at: much more than those
/// take.
const STILL_TO_BE_USED: usize = 4 * PAGE;
const FIRST_IS_ENOUGH: c_int = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_of_a_thread_is_left_alone() {
        let looked = std::thread::spawn(unused_stack).join();
        assert_eq!(looked.expect("it does not fail"), None);
    }
}
