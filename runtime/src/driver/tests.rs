mod ending;
mod running;
mod toy;
