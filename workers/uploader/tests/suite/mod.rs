mod access;
mod faults;
mod playing;
mod serving;
