"""What is drawn: each chart of a report, how all of them look and stand on the page, and lesions pixel by pixel."""
