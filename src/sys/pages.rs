//! The pages of the program itself.

use std::ffi::{c_int, c_void};

use libc::{PF_W, PT_LOAD, dl_phdr_info, size_t};

/// Gives the pages of code and constants back that were touched until now. Reading a configuration
/// touches most of the program, and what runs afterwards is a small part of it. What is used again
/// is mapped again: it has stayed in the page cache.
pub fn forget_touched() {
    // SAFETY: the callback keeps to the signature, and nothing is passed through.
    unsafe {
        libc::dl_iterate_phdr(Some(forget_segments), std::ptr::null_mut());
    }
}

/// Those of one object, the first of which is the program.
unsafe extern "C" fn forget_segments(
    object: *mut dl_phdr_info,
    _size: size_t,
    _data: *mut c_void,
) -> c_int {
    // SAFETY: the C library passes a valid object, with as many headers as it says.
    let (base, headers) = unsafe {
        let object = &*object;
        let count = usize::from(object.dlpi_phnum);
        (
            object.dlpi_addr,
            std::slice::from_raw_parts(object.dlpi_phdr, count),
        )
    };
    // What is writable has been written to: relocations. The rest is as in the file.
    let unchanged = headers
        .iter()
        .filter(|header| header.p_type == PT_LOAD && header.p_flags & PF_W == 0);
    for header in unchanged {
        let begin = (base + header.p_vaddr) & !(PAGE - 1);
        let end = base + header.p_vaddr + header.p_memsz;
        let length = size_t::try_from(end - begin).expect("it is in memory");
        // SAFETY: a read-only mapping of a file that nobody has written to; its pages are read
        // from the file again. An error leaves things as they were.
        unsafe {
            libc::madvise(begin as *mut c_void, length, libc::MADV_DONTNEED);
        }
    }
    FIRST_IS_ENOUGH
}

/// Smaller than any; the kernel takes the beginning of one.
const PAGE: u64 = 4096;
const FIRST_IS_ENOUGH: c_int = 1;
