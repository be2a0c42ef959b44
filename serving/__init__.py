"""The network: routes beside the pages. Knows no Streamlit."""
