"""Where passages come from: one file or package a source; import the one you need."""
