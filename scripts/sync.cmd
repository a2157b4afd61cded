@echo off
rem The deployments of this repository: sync COMMAND. The same as: py scripts\sync.py COMMAND
setlocal
where py >nul 2>nul
if errorlevel 1 goto python
py -3 "%~dp0sync.py" %*
exit /b %ERRORLEVEL%
:python
where python >nul 2>nul
if errorlevel 1 goto missing
python "%~dp0sync.py" %*
exit /b %ERRORLEVEL%
:missing
echo error: Python 3.11 or newer is needed, and there is none here 1>&2
echo   hint: install it from python.org with its launcher, py, and start again 1>&2
exit /b 1
