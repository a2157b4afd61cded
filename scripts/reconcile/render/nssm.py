"""Services as a PowerShell script that installs and updates them with nssm. Pure text, for Windows PowerShell 5.1 too.

A script is written in UTF-8 with its byte order mark: without the mark Windows PowerShell reads it in the machine's
own code page.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from typing import Final

from reconcile.desired.services import Service

ROTATE_AT: Final = 10 * 1024 * 1024
"""Bytes at which nssm begins a new log file."""

_NO_PASSWORD: Final = re.compile(r"LocalSystem|NT (?:AUTHORITY|SERVICE)\\.*|.*\$", re.IGNORECASE)
"""Users that Windows itself knows the password of: its own accounts, and managed ones."""


def script(services: Sequence[Service]) -> str:
    """The script for the services of one machine."""
    host = services[0].host
    files = sorted({service.location.file for service in services})
    head = _HEAD.format(host=host, files=", ".join(files), computer=literal(host.partition(".")[0]))
    return head + "\n".join(_table(service) for service in services) + _BODY


def in_bytes(text: str) -> bytes:
    """A script as it is written for Windows: with a byte order mark, and its line ends."""
    return b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode("utf-8")


def literal(text: str) -> str:
    """A text in single quotes, where PowerShell reads nothing into it. Typographic quotes end such a text too."""
    return "'" + _QUOTES.sub(lambda found: found[0] * 2, text) + "'"


_QUOTES: Final = re.compile("['\u2018\u2019\u201a\u201b]")


def _table(service: Service) -> str:
    return "\n".join(["    @{", *(f"        {line}" for line in _entries(service)), "    }"])


def _entries(service: Service) -> Iterator[str]:
    """What the script is told of a service. `$null`: nothing is declared, so that is left as it is."""
    user = service.user
    folder = service.home or (service.program or "").rpartition("\\")[0] or None
    log = f"{service.log_dir}\\{service.service}.log" if service.log_dir else None
    arguments = subprocess.list2cmdline(service.arguments)
    yield f"Name = {literal(service.service)}"
    yield f"Description = {literal(_description(service))}"
    yield f"Program = {_maybe(service.program)}"
    yield f"Arguments = {literal(arguments)}"
    yield f"Folder = {_maybe(folder)}"
    yield f"Home = {_maybe(service.home)}"
    yield f"Logging = {_maybe(service.logging)}"
    yield f"LogFolder = {_maybe(service.log_dir)}"
    yield f"LogFile = {_maybe(log)}"
    yield f"User = {_maybe(user)}"
    yield f"AsksPassword = ${'true' if user and not _NO_PASSWORD.fullmatch(user) else 'false'}"
    yield "Environment = @("
    yield from (f"    {literal(f'{name}={value}')}" for name, value in service.environment.items())
    yield ")"


def _maybe(text: str | None) -> str:
    return "$null" if text is None else literal(text)


def _description(service: Service) -> str:
    if service.pool is None:
        return f"Prefect server of {', '.join(service.scopes)}"
    return f"Prefect worker {service.name} of the work pool {service.pool}"


_HEAD: Final = """\
#Requires -Version 5.1
#Requires -RunAsAdministrator
# Installs, updates and starts the services of {host} with nssm (https://nssm.cc). Run it there, as an administrator:
#     powershell -ExecutionPolicy Bypass -File install-services.ps1
# Made of {files}: change that, not this.
# Running it again changes nothing that is as it should be. Only what changed is restarted, which ends its runs:
# -NoRestart leaves that to a better moment. Passwords are asked for when a service is new or gets another user,
# and with -NewPassword. They stand in no file.
param(
    [string] $Nssm = 'nssm',
    [switch] $NoRestart,
    [switch] $NewPassword,
    [switch] $AnyHost
)
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$Computer = {computer}
$Services = @(
"""

_BODY: Final = (
    r"""
)

# Secrets that somebody gave a service by hand (nssm edit) stay in its environment.
$Kept = '^PREFECT_(API_AUTH_STRING|API_KEY|SERVER_API_AUTH_STRING|SERVER_DATABASE_PASSWORD)='

function Format-Argument([string] $Text) {
    # As programs read their command line. Windows PowerShell itself loses quotes that stand inside an argument.
    '"' + (($Text -replace '(\\*)"', '$1$1\"') -replace '(\\+)$', '$1$1') + '"'
}

function Invoke-Nssm([string[]] $Words) {
    $info = New-Object System.Diagnostics.ProcessStartInfo
    $info.FileName = $script:NssmPath
    $info.Arguments = ($Words | ForEach-Object { Format-Argument $_ }) -join ' '
    $info.UseShellExecute = $false
    $info.RedirectStandardOutput = $true
    $info.RedirectStandardError = $true
    $info.StandardOutputEncoding = [System.Text.Encoding]::Unicode
    $info.StandardErrorEncoding = [System.Text.Encoding]::Unicode
    $process = [System.Diagnostics.Process]::Start($info)
    $said = $process.StandardOutput.ReadToEndAsync()
    $failed = $process.StandardError.ReadToEnd()
    $process.WaitForExit()
    if ($process.ExitCode -ne 0) {
        # Only the first words: a password may be among the others.
        $what = ($Words | Select-Object -First 3) -join ' '
        throw "nssm $what failed ($($process.ExitCode)): $failed $($said.Result)"
    }
}

function Get-Parameter([string] $Service, [string] $Parameter) {
    $key = "HKLM:\SYSTEM\CurrentControlSet\Services\$Service\Parameters"
    if (Test-Path -LiteralPath $key) {
        (Get-Item -LiteralPath $key).GetValue($Parameter, @(), 'DoNotExpandEnvironmentNames')
    }
}

function Set-Parameter([string] $Service, [string] $Parameter, [string] $Value) {
    $standing = @(Get-Parameter $Service $Parameter) -join "`n"
    if ($standing -cne $Value) {
        Invoke-Nssm @('set', $Service, $Parameter, $Value)
        $script:Changes += $Parameter
    }
}

function Set-Environment([string] $Service, [string[]] $Values) {
    $standing = @(Get-Parameter $Service 'AppEnvironmentExtra')
    $wanted = [string[]] ($Values + @($standing | Where-Object { $_ -match $Kept }))
    if (($standing -join "`n") -cne ($wanted -join "`n")) {
        # Straight into the registry, where nssm has it too: secrets that are kept are then on no command line.
        $key = "HKLM:\SYSTEM\CurrentControlSet\Services\$Service\Parameters"
        Set-ItemProperty -LiteralPath $key -Name 'AppEnvironmentExtra' -Value $wanted -Type MultiString
        $script:Changes += 'AppEnvironmentExtra'
    }
}

function Get-Standing([string] $Service) {
    Get-CimInstance -ClassName Win32_Service | Where-Object { $_.Name -eq $Service }
}

function Get-Account([string] $User) {
    if ($User.StartsWith('.\')) { "$env:COMPUTERNAME\$($User.Substring(2))" } else { $User }
}

$Passwords = @{}
function Set-User([hashtable] $Wanted, [bool] $IsNew) {
    $standing = (Get-Standing $Wanted.Name).StartName
    $same = (Get-Account "$standing") -eq (Get-Account $Wanted.User)
    if ($same -and -not $IsNew -and -not ($NewPassword -and $Wanted.AsksPassword)) { return }
    $words = @('set', $Wanted.Name, 'ObjectName', $Wanted.User)
    if ($Wanted.AsksPassword) {
        if (-not $Passwords.ContainsKey($Wanted.User)) {
            $Passwords[$Wanted.User] = Read-Host -AsSecureString "Password of $($Wanted.User)"
        }
        # nssm takes the password as an argument only: for that moment administrators of this machine could see it.
        $credential = New-Object System.Management.Automation.PSCredential('user', $Passwords[$Wanted.User])
        $words += $credential.GetNetworkCredential().Password
    }
    Invoke-Nssm $words
    $script:Changes += 'ObjectName'
}

function New-Folder([string] $Folder, [string] $User) {
    if (-not (Test-Path -LiteralPath $Folder)) {
        New-Item -ItemType Directory -Force -Path $Folder | Out-Null
        if ($User) {
            & icacls.exe $Folder /grant "$(Get-Account $User):(OI)(CI)M" | Out-Null
            if ($LASTEXITCODE -ne 0) { throw "icacls could not give $User the folder $Folder" }
        }
    }
}

function Find-Program([hashtable] $Wanted) {
    $program = $Wanted.Program
    if ($null -eq $program) {
        $found = @(Get-Command -Name 'prefect.exe' -CommandType Application -ErrorAction SilentlyContinue)
        if ($found.Count -eq 0) { throw "$($Wanted.Name): prefect.exe is not on the path; declare where it is" }
        $program = $found[0].Path
    }
    if (-not (Test-Path -LiteralPath ([Environment]::ExpandEnvironmentVariables($program)) -PathType Leaf)) {
        throw "$($Wanted.Name): $program is not there; install Prefect, or declare where it is"
    }
    $program
}

function Set-Logging([string] $Path) {
    $source = Join-Path $PSScriptRoot 'logging.yml'
    if (-not (Test-Path -LiteralPath $source -PathType Leaf)) { return }
    if (Test-Path -LiteralPath $Path -PathType Leaf) {
        $same = (Get-FileHash -LiteralPath $source).Hash -eq (Get-FileHash -LiteralPath $Path).Hash
        if ($same) { return }
    }
    $folder = Split-Path -Parent $Path
    if ($folder) { New-Folder $folder '' }
    Copy-Item -LiteralPath $source -Destination $Path -Force
    Write-Output "${Path}: written, to be read at the next start"
}

function Install-Service([hashtable] $Wanted) {
    $script:Changes = @()
    $name = $Wanted.Name
    $program = Find-Program $Wanted
    foreach ($folder in @($Wanted.LogFolder, $Wanted.Home)) {
        if ($folder) { New-Folder ([Environment]::ExpandEnvironmentVariables($folder)) $Wanted.User }
    }
    if ($Wanted.Logging) { Set-Logging ([Environment]::ExpandEnvironmentVariables($Wanted.Logging)) }
    $isNew = $null -eq (Get-Standing $name)
    if ($isNew) { Invoke-Nssm @('install', $name, $program) }
    Set-Parameter $name 'Application' $program
    Set-Parameter $name 'AppParameters' $Wanted.Arguments
    $at = if ($Wanted.Folder) { $Wanted.Folder } else { Split-Path -Parent $program }
    Set-Parameter $name 'AppDirectory' $at
    Set-Environment $name $Wanted.Environment
    if ($Wanted.LogFile) {
        Set-Parameter $name 'AppStdout' $Wanted.LogFile
        Set-Parameter $name 'AppStderr' $Wanted.LogFile
        Set-Parameter $name 'AppRotateFiles' '1'
        Set-Parameter $name 'AppRotateOnline' '1'
        Set-Parameter $name 'AppRotateBytes' '"""
    + str(ROTATE_AT)
    + r"""'
    }
    # Ctrl-C, and a minute to end in; after a failure again in ten seconds.
    Set-Parameter $name 'AppStopMethodConsole' '60000'
    Set-Parameter $name 'AppRestartDelay' '10000'
    $standing = Get-Standing $name
    if ("$($standing.Description)" -cne $Wanted.Description) {
        Invoke-Nssm @('set', $name, 'Description', $Wanted.Description)
    }
    if ($standing.StartMode -ne 'Auto') { Invoke-Nssm @('set', $name, 'Start', 'SERVICE_AUTO_START') }
    if ($Wanted.User) { Set-User $Wanted $isNew }
    Complete-Service $name $isNew
}

function Complete-Service([string] $Name, [bool] $IsNew) {
    $changed = @($script:Changes).Count -gt 0
    $what = 'as it should be'
    if ($changed) { $what = "changed ($($script:Changes -join ', '))" }
    if ($IsNew) { $what = 'installed' }
    $state = (Get-Standing $Name).State
    if ($state -eq 'Stopped') {
        Invoke-Nssm @('start', $Name)
        $what += ', started'
    } elseif ($changed -and $NoRestart) {
        $what += ", not restarted yet: nssm restart '$Name'"
    } elseif ($changed -or $state -ne 'Running') {
        Invoke-Nssm @('restart', $Name)
        $what += ', restarted'
    }
    Write-Output "${Name}: $what"
}

if (-not $AnyHost -and $env:COMPUTERNAME -ne $Computer) {
    throw "These services are of $Computer, and this is $env:COMPUTERNAME; -AnyHost installs them all the same."
}
$Found = @(Get-Command -Name $Nssm -CommandType Application -ErrorAction SilentlyContinue)
if ($Found.Count -eq 0) { throw "nssm is not on the path: install it, or say where it is: -Nssm C:\nssm\nssm.exe" }
$NssmPath = $Found[0].Path
foreach ($Service in $Services) { Install-Service $Service }
"""
)
