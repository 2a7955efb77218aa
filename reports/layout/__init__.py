"""How a page looks and is written: colours, text and tables on a page, PDF and HTML."""
