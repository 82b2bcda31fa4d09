"""What a backtest is made of: the pipeline over a file, flags and scores by row, measures, pictures."""
