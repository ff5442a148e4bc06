//! One file per kind of descriptor or system call. Decides nothing; the only room with `unsafe`.
