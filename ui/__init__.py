"""The user interface: all of Streamlit but the scripts in pages/."""
