mod clients;
mod flash;
mod hostile;
mod limits;
mod peer;
mod place;
mod pool;
mod rates;
