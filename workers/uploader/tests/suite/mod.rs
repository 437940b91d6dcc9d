mod access;
mod faults;
mod hostile;
mod playing;
mod remote;
mod serving;
