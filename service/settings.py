"""Django's settings; the processes put FENGSUI_DATABASE_DSN and friends into the environment before django.setup()."""
