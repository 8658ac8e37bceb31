"""The report of one or several runs: sections that each give numbers, tables, figures and views, put into one page."""
