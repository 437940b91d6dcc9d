mod access;
mod arriving;
mod faults;
mod growing;
mod hostile;
mod playing;
mod remote;
mod serving;
