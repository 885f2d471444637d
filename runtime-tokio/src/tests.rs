mod drive;
mod seam;
