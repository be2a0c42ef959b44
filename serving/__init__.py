"""The model without the pages: routes and what HTTP needs. Knows no Streamlit."""
