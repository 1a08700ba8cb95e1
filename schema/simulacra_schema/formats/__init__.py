"""Files of tables beside Parquet: CSV, SPSS and Excel."""
