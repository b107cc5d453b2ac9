"""What is kept between runs: contents, builds, caches and judgements."""
